// An OpenID provider of others, over TLS and mounted where Azure AD B2C has its own: /<tenant>/<policy>/v2.0.
// node oidc_provider.mjs CERTIFICATE KEY [PORT]; the first line printed says where it listens.
// Lines on standard input: {"secret": "…"} changes the client's secret; {"certificate": "PEM"} lets it in by the key of
// that certificate instead. Each request is printed as one JSON line.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { createInterface } from 'node:readline';
import express from 'express';
import Provider from 'oidc-provider';

const [certificate, key, port = '0'] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const MOUNT = '/contoso.onmicrosoft.com/b2c_1_plugin_host/v2.0';
const API = 'https://contoso.onmicrosoft.com/omegaai';
const client = {
  client_id: 'plugin-host',
  client_secret: 'first-secret-0123456789',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_post',
};

const stores = {};
const adapter = (model) => {
  const records = (stores[model] ??= new Map());
  return {
    find: async (id) => (model === 'Client' ? { ...client } : records.get(id)),
    upsert: async (id, payload) => void records.set(id, payload),
    destroy: async (id) => void records.delete(id),
    consume: async () => undefined,
  };
};

const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const app = express();
const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, app);

server.listen(Number(port), '127.0.0.1', () => {
  const issuer = `https://127.0.0.1:${server.address().port}${MOUNT}`;
  const provider = new Provider(issuer, {
    adapter,
    jwks: { keys: [{ ...signing, kid: 'one', use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['only-for-tests'] },
    scopes: [`${API}/.default`],
    ttl: { ClientCredentials: 3600 },
    clientAuthMethods: ['client_secret_post', 'private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['PS256'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => API,
        getResourceServerInfo: () => ({ scope: `${API}/.default`, audience: API, accessTokenFormat: 'jwt', accessTokenTTL: 3600 }),
      },
    },
    extraTokenClaims: () => ({ tfp: 'b2c_1_plugin_host' }),
  });
  app.use((request, _response, next) => {
    say({ method: request.method, url: request.originalUrl });
    next();
  });
  app.use(MOUNT, provider.callback());
  say({ listening: server.address().port, issuer });
});

createInterface({ input: process.stdin }).on('line', (line) => {
  const { secret, certificate: pem } = JSON.parse(line);
  if (secret) {
    Object.assign(client, { client_secret: secret, token_endpoint_auth_method: 'client_secret_post' });
  } else {
    const key = { ...new X509Certificate(pem).publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'PS256' };
    Object.assign(client, { jwks: { keys: [key] }, token_endpoint_auth_method: 'private_key_jwt' });
  }
  say({ changed: secret ? 'secret' : 'certificate' });
});
process.stdin.on('end', () => process.exit(0));
