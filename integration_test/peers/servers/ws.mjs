// The npm package ws as a server that echoes. It writes its port, and ends when its input does.
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 64 << 10, perMessageDeflate: false });
server.on('listening', () => console.log(server.address().port));
server.on('connection', (ws) => {
  ws.on('error', () => {}); // it has closed by itself
  ws.on('message', (data, binary) => ws.send(data, { binary }));
});
process.stdin.on('end', () => process.exit()).resume();
