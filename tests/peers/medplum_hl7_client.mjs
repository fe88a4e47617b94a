// @medplum/hl7's client: sends the files named after host and port, in turn, and prints each answer as a JSON line.
import { readFileSync } from 'node:fs';
import { Hl7Message } from '@medplum/core';
import { Hl7Client } from '@medplum/hl7';

const [host, port, ...files] = process.argv.slice(2);
const client = new Hl7Client({ host, port: Number(port), encoding: 'utf-8', keepAlive: true });

for (const file of files) {
  const message = Hl7Message.parse(readFileSync(file, 'utf-8'));
  const answer = await client.sendAndWait(message, { timeoutMs: 10_000 });
  const msa = answer.getSegment('MSA');
  process.stdout.write(
    `${JSON.stringify({ text: answer.toString(), code: msa.getField(1).toString(), id: msa.getField(2).toString() })}\n`
  );
}
await client.close();
process.exit(0); // the client's own timers would hold the process until they run out
