// An OpenID provider of others, over TLS, with people who sign in: authorization code and PKCE, answers by form_post.
// node oidc_sign_in.mjs CERTIFICATE KEY REDIRECT [MOUNT ISSUER]; the first line printed says where it listens.
// MOUNT: where it stands, as /TENANT/v2.0; ISSUER: what it calls itself, which providers with tenants do otherwise.
// Whatever login is typed is a person; ana@… is an operator who may read bodies, bea@… an administrator.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { generateKeyPairSync } from 'node:crypto';
import express from 'express';
import Provider from 'oidc-provider';

// What it says of itself is for people: standard output holds JSON only.
console.info = console.warn = console.error;

const [certificate, key, redirect, mount, name] = process.argv.slice(2);
const MOUNT = mount ?? '/contoso.onmicrosoft.com/b2c_1_sign_in/v2.0';
const ROLES = { ana: ['PluginHost.Operator', 'PluginHost.Bodies'], bea: ['PluginHost.Admin'] };

const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const app = express();
const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, app);

server.listen(0, '127.0.0.1', () => {
  const issuer = name ?? `https://127.0.0.1:${server.address().port}${MOUNT}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'status-page', client_secret: 'first-secret-0123456789', redirect_uris: [redirect],
      token_endpoint_auth_method: 'client_secret_post',
    }],
    jwks: { keys: [{ ...signing, kid: 'one', use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['only-for-tests'] },
    claims: { openid: ['sub', 'preferred_username', 'extension_Roles'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, extension_Roles: ROLES[id.split('@')[0]] ?? [] }),
    }),
  });
  app.use(MOUNT, provider.callback());
  process.stdout.write(`${JSON.stringify({ listening: server.address().port, issuer })}\n`);
});

process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
