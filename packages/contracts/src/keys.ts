import Type, { type Static } from 'typebox'

/** GET /.well-known/jwks.json: the public keys of access tokens (RFC 7517). */
export const PublicKeys = Type.Object({
  keys: Type.Array(
    Type.Object({
      kty: Type.Literal('EC'),
      crv: Type.Literal('P-256'),
      x: Type.String({ examples: ['f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU'] }),
      y: Type.String({ examples: ['x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0'] }),
      kid: Type.String({
        description: 'JWK thumbprint (RFC 7638)',
        examples: ['oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U'],
      }),
      use: Type.Literal('sig'),
      alg: Type.Literal('ES256'),
    }),
  ),
})
export type PublicKeys = Static<typeof PublicKeys>
