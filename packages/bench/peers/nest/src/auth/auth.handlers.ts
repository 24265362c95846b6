import { randomUUID } from 'node:crypto'
import { UnauthorizedException } from '@nestjs/common'
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import { JwtService } from '@nestjs/jwt'
import { InjectModel } from '@nestjs/mongoose'
import argon2 from 'argon2'
import { Model } from 'mongoose'
import { User } from '../users/user.schema.ts'
import { LogIn, RegisterUser } from './auth.commands.ts'

@CommandHandler(RegisterUser)
export class RegisterUserHandler implements ICommandHandler<RegisterUser> {
  constructor(@InjectModel(User.name) private readonly users: Model<User>) {}

  async execute({ input: { password, ...input } }: RegisterUser) {
    const passwordHash = await argon2.hash(password, { memoryCost: 19_456, timeCost: 2, parallelism: 1 })
    return await this.users.create({ ...input, passwordHash })
  }
}

@CommandHandler(LogIn)
export class LogInHandler implements ICommandHandler<LogIn> {
  constructor(
    @InjectModel(User.name) private readonly users: Model<User>,
    private readonly jwt: JwtService,
  ) {}

  async execute({ input: { email, password } }: LogIn) {
    const user = await this.users.findOne({ email }).select('+passwordHash')
    if (!user || !(await argon2.verify(user.passwordHash, password))) throw new UnauthorizedException()
    const claims = { sub: user._id, roles: user.roles, jti: randomUUID() }
    return { accessToken: await this.jwt.signAsync(claims), tokenType: 'Bearer', expiresIn: 900 }
  }
}
