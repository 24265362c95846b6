import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { NextFunction, Request, Response } from 'express'
import jwt from 'jsonwebtoken'

const { keys } = JSON.parse(readFileSync(process.env.JWKS_FILE ?? '', 'utf8'))
const publicKey = createPublicKey({ key: keys[0], format: 'jwk' })

export type Caller = { sub: string; roles: string[] }

export function authenticate(request: Request, response: Response, next: NextFunction) {
  const token = request.headers.authorization?.replace(/^Bearer /, '')
  if (!token) return response.status(401).json({ message: 'Unauthorized' })
  try {
    response.locals.caller = jwt.verify(token, publicKey, {
      algorithms: ['ES256'],
      issuer: 'cqrs-user-service',
      audience: 'cqrs-user-service',
    }) as unknown as Caller
  } catch {
    return response.status(401).json({ message: 'Unauthorized' })
  }
  next()
}

export function selfOrAdmin(request: Request, response: Response, next: NextFunction) {
  const caller: Caller = response.locals.caller
  if (caller.sub === request.params.id || caller.roles.includes('admin')) return next()
  response.status(403).json({ message: 'Forbidden' })
}
