// node server.mjs FOLDER: npm's ws as a server. /upload refuses messages of
// over 64 KiB with 1009, /flood closes with 1008 after 16 messages. It prints its port.
import { createRequire } from 'node:module';

const { WebSocketServer } = createRequire(process.argv[2] + '/')('ws');
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 64 * 1024, perMessageDeflate: false });
server.on('listening', () => console.log(server.address().port));
server.on('connection', (ws, request) => {
  let messages = 0;
  ws.on('error', () => {});
  ws.on('message', () => {
    if (request.url === '/flood' && ++messages === 16) ws.close(1008, 'too fast');
  });
});
process.stdin.resume().on('end', () => process.exit(0));
