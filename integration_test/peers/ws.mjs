// The npm package ws as a client.
import WebSocket from 'ws';
import { serve } from './lines.mjs';

serve(({ url, subprotocols, deflate = false }) =>
  new WebSocket(url, subprotocols ?? [], {
    perMessageDeflate: deflate,
    rejectUnauthorized: false, // test servers sign their own certificates
  }));
