// @medplum/hl7's server: prints each message it received as one JSON line, and answers with its own acknowledgement.
import { Hl7Server } from '@medplum/hl7';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const server = new Hl7Server((connection) => {
  connection.addEventListener('message', ({ message }) => {
    say({
      text: message.toString(),
      // The last CR gives @medplum/hl7 a segment without a name.
      segments: message.segments.map((segment) => segment.name).filter(Boolean),
      family: message.getSegment('PID')?.getField(5)?.getComponent(1),
      comment: message.getSegment('NTE')?.getField(3)?.toString(),
    });
    connection.send(message.buildAck());
  });
  connection.addEventListener('error', ({ error }) => say({ error: error.message }));
});

server.start(0, 'utf-8');
server.server.once('listening', () => say({ listening: server.server.address().port }));
process.stdin.on('end', () => server.stop({ forceDrainTimeoutMs: 0 }).then(() => process.exit(0)));
process.stdin.resume();
