// Package catalog has the names that some protocols on WebSocket give their close
// codes, as functions for [closeguard.Options].CodeName. Names are in lower case, as
// those of the IANA registry are in [closeguard.Code.Name].
//
// A program that speaks one protocol sets its catalog; one that speaks several
// chooses [BySubprotocol], or by whatever else a ConnInfo says, in a function of its
// own.
//
// Not here, because they have no codes of their own: SignalR, which closes with
// the codes of RFC 6455 (dotnet/aspnetcore, src/SignalR/docs/specs/TransportProtocols.md),
// and Kubernetes, whose exec, attach and port-forward tell how it ended in an error
// channel of theirs (package k8s.io/apimachinery/pkg/util/httpstream/wsstream).
package catalog

import (
	"maps"

	"github.com/closeguard/ws/closeguard"
)

// Names is a catalog: it returns the name of a code, "" if it has none.
type Names = func(closeguard.ConnInfo, closeguard.Code) string

// GraphQL has the codes of GraphQL over WebSocket, subprotocol graphql-transport-ws:
// 4400, 4401, 4403, 4408, 4409 and 4429 as the protocol has them
// (enisdenjo/graphql-ws, PROTOCOL.md), the others as the package graphql-ws does
// (src/common.ts, src/client.ts).
func GraphQL(_ closeguard.ConnInfo, code closeguard.Code) string {
	switch code {
	case 4004:
		return "bad response"
	case 4005:
		return "internal client error"
	case 4400:
		return "bad request"
	case 4401:
		return "unauthorized"
	case 4403:
		return "forbidden"
	case 4406:
		return "subprotocol not acceptable"
	case 4408:
		return "connection initialisation timeout"
	case 4409:
		return "subscriber already exists"
	case 4429:
		return "too many initialisation requests"
	case 4499:
		return "terminated"
	case 4500:
		return "internal server error"
	case 4504:
		return "connection acknowledgement timeout"
	}
	return ""
}

// Centrifugo has the codes of Centrifugo and of the library centrifuge
// (centrifugal/centrifuge, disconnect.go): its clients come back after 3001 to 3499
// and not after 3500 to 3999. 3000, its word for an end without a code, is never on
// the wire and not in it.
//
// IANA has another name for:
//
//	3008 slow, IANA: timeout
func Centrifugo(_ closeguard.ConnInfo, code closeguard.Code) string {
	switch code {
	case 3001:
		return "shutdown"
	case 3004:
		return "internal server error"
	case 3005:
		return "connection expired"
	case 3006:
		return "subscription expired"
	case 3008:
		return "slow"
	case 3009:
		return "write error"
	case 3010:
		return "insufficient state"
	case 3011:
		return "force reconnect"
	case 3012:
		return "no pong"
	case 3013:
		return "too many requests"
	case 3014:
		return "state invalidated"
	case 3500:
		return "invalid token"
	case 3501:
		return "bad request"
	case 3502:
		return "stale"
	case 3503:
		return "force disconnect"
	case 3504:
		return "connection limit"
	case 3505:
		return "channel limit"
	case 3506:
		return "inappropriate protocol"
	case 3507:
		return "permission denied"
	case 3508:
		return "not available"
	case 3509:
		return "too many errors"
	}
	return ""
}

// BySubprotocol asks the catalog of the subprotocol that was agreed on, which is ""
// for connections that agreed on none; Centrifugo's JSON clients are such. A
// subprotocol without a catalog has no names.
func BySubprotocol(catalogs map[string]Names) Names {
	catalogs = maps.Clone(catalogs)
	return func(info closeguard.ConnInfo, code closeguard.Code) string {
		if names := catalogs[info.Subprotocol]; names != nil {
			return names(info, code)
		}
		return ""
	}
}
