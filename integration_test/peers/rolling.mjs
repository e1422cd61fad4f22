// Clients of the npm package ws that come back whenever they lose their
// connection: node rolling.mjs COUNT URL... opens COUNT of them and says "open"
// when all are. When standard input ends, and all are connected, they leave,
// and what they saw is written as one JSON object.
import WebSocket from 'ws';

const [count, ...urls] = process.argv.slice(2);
const seen = {
  opened: 0, // connections
  echoes: 0, // messages that came back
  ends: {}, // of connections that had opened, how many ended with this code
  refused: {}, // attempts that came to nothing, by what was told
  away: 0, // the longest that a client was without a connection, in ms
};
let leaving = false;
let firstOpen = 0;
const add = (counts, key) => (counts[key] = (counts[key] ?? 0) + 1);
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// visit is one connection, or an attempt at one.
function visit(url, client) {
  return new Promise((resolve) => {
    const ws = new WebSocket(url, { handshakeTimeout: 5000 });
    let opened = false;
    let timer;
    client.ws = ws;
    ws.on('unexpected-response', (request, response) => {
      add(seen.refused, response.statusCode);
      request.destroy();
      resolve();
    });
    ws.on('error', (error) => {
      if (opened) return; // a close event follows
      add(seen.refused, error.code ?? error.message);
      resolve();
    });
    ws.on('open', () => {
      opened = true;
      seen.opened++;
      if (client.lost) seen.away = Math.max(seen.away, performance.now() - client.lost);
      else if (++firstOpen === Number(count)) console.log('open');
      timer = setInterval(() => ws.readyState === WebSocket.OPEN && ws.send('hello'), 20 + 20 * Math.random());
    });
    ws.on('message', () => seen.echoes++);
    ws.on('close', (code) => {
      if (!opened) return;
      clearInterval(timer);
      if (!leaving) add(seen.ends, code);
      client.lost = performance.now();
      resolve();
    });
  });
}

const clients = Array.from({ length: Number(count) }, () => ({}));
const over = clients.map(async (client, i) => {
  while (!leaving) {
    await visit(urls[i % urls.length], client);
    await later(50 + 100 * Math.random());
  }
});
process.stdin.resume().on('end', async () => {
  const connected = () => clients.every(({ ws }) => ws.readyState === WebSocket.OPEN);
  for (let n = 0; n < 500 && !connected(); n++) await later(10);
  leaving = true;
  for (const { ws } of clients) ws.close(1000);
  await Promise.all(over);
  console.log(JSON.stringify({ ...seen, away: Math.round(seen.away) }));
  process.exit(0);
});
