// The npm package ws as a server that echoes, but at /flood closes after 16 messages. It
// writes its port, and ends when its input does.
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 64 << 10, perMessageDeflate: false });
server.on('listening', () => console.log(server.address().port));
server.on('connection', (ws, { url }) => {
  let messages = 0;
  ws.on('error', () => {}); // it has closed by itself
  ws.on('message', (data, binary) => {
    if (url !== '/flood') ws.send(data, { binary });
    else if (++messages === 16) ws.close(1008, 'too fast');
  });
});
process.stdin.on('end', () => process.exit()).resume();
