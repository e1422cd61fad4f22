// Jobs for a client in Node.js: a JSON object a line on standard input, results
// the same way on standard output. They run side by side and are answered in
// the order in which they end.
import { createInterface } from 'node:readline';
import { run } from './jobs.mjs';

// serve runs jobs until standard input ends; open(job) makes the WebSocket.
export function serve(open) {
  createInterface({ input: process.stdin })
    .on('line', async (line) => {
      const result = await run(JSON.parse(line), open);
      process.stdout.write(JSON.stringify(result) + '\n');
    })
    .on('close', () => process.exit(0));
}
