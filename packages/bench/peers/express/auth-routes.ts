import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import argon2 from 'argon2'
import { Router } from 'express'
import jwt from 'jsonwebtoken'
import { answerOf, User } from './user.ts'

const signingKey = readFileSync(process.env.JWT_SIGNING_KEY_FILE ?? '', 'utf8')
const argon2Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

export const authRoutes = Router()

authRoutes.post('/register', async (request, response) => {
  const { email, password, name, roles } = request.body
  const passwordHash = await argon2.hash(password, argon2Options)
  const user = await User.create({ email, passwordHash, name, roles })
  response.status(201).json(answerOf(user.toObject()))
})

authRoutes.post('/login', async (request, response) => {
  const { email, password } = request.body
  const user = await User.findOne({ email }).select('+passwordHash').lean()
  if (!user || !(await argon2.verify(user.passwordHash, password)))
    return void response.status(401).json({ message: 'Unauthorized' })
  const accessToken = jwt.sign({ roles: user.roles }, signingKey, {
    algorithm: 'ES256',
    subject: user._id,
    issuer: 'cqrs-user-service',
    audience: 'cqrs-user-service',
    jwtid: randomUUID(),
    expiresIn: '15m',
  })
  response.json({ accessToken, tokenType: 'Bearer', expiresIn: 900 })
})
