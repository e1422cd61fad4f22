// node node.mjs FOLDER PACKAGE: jobs for a WebSocket of npm's, a JSON object a
// line on standard input; results the same way on standard output.
import { createRequire } from 'node:module';
import { webcrypto } from 'node:crypto';
import { createInterface } from 'node:readline';
import { run } from './jobs.mjs';

globalThis.crypto ??= webcrypto;
const [folder, name] = process.argv.slice(2);
const { WebSocket } = createRequire(folder + '/')(name);

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const open = (url) => (name === 'ws' ? new WebSocket(url, { perMessageDeflate: false }) : new WebSocket(url));
    process.stdout.write(JSON.stringify(await run(JSON.parse(line), open)) + '\n');
  })
  .on('close', () => process.exit(0));
