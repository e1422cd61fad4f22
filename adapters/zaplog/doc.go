// Package zaplog writes the events of a [closeguard.Guard] to a [zap.Logger]:
//
//	guard, err := closeguard.New(closeguard.Options{
//		Observers: []closeguard.Observer{zaplog.Observer(logger)},
//	})
//
// Messages, levels and keys are those of [closeguard.LogObserver], which does
// the same for log/slog.
package zaplog
