// The WebSocket of undici, which is also the one built into Node.js. It always
// offers permessage-deflate and never compresses what it sends.
import { Agent, WebSocket } from 'undici';
import { serve } from './lines.mjs';

const dispatcher = new Agent({ connect: { rejectUnauthorized: false } }); // test servers sign their own certificates

serve(({ url, subprotocols, deflate = false }) => {
  if (deflate) throw new Error('undici has no option for compression');
  return new WebSocket(url, { protocols: subprotocols ?? [], dispatcher });
});
