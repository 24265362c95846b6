import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Module } from '@nestjs/common'
import { CqrsModule } from '@nestjs/cqrs'
import { JwtModule } from '@nestjs/jwt'
import { MongooseModule } from '@nestjs/mongoose'
import { AuthController } from './auth/auth.controller.ts'
import { LogInHandler, RegisterUserHandler } from './auth/auth.handlers.ts'
import { DeleteUserHandler, UpdateUserHandler } from './users/commands.ts'
import { GetUserHandler, ListUsersHandler } from './users/queries.ts'
import { User, UserSchema } from './users/user.schema.ts'
import { UsersController } from './users/users.controller.ts'

const { keys } = JSON.parse(readFileSync(process.env.JWKS_FILE ?? '', 'utf8'))
const claims = { issuer: 'cqrs-user-service', audience: 'cqrs-user-service' }

@Module({
  imports: [
    CqrsModule.forRoot(),
    MongooseModule.forRoot(process.env.MONGODB_URI ?? ''),
    MongooseModule.forFeature([{ name: User.name, schema: UserSchema }]),
    JwtModule.register({
      publicKey: createPublicKey({ key: keys[0], format: 'jwk' }).export({ type: 'spki', format: 'pem' }),
      privateKey: readFileSync(process.env.JWT_SIGNING_KEY_FILE ?? '', 'utf8'),
      verifyOptions: { algorithms: ['ES256'], ...claims },
      signOptions: { algorithm: 'ES256', expiresIn: '15m', ...claims },
    }),
  ],
  controllers: [AuthController, UsersController],
  providers: [
    RegisterUserHandler,
    LogInHandler,
    UpdateUserHandler,
    DeleteUserHandler,
    GetUserHandler,
    ListUsersHandler,
  ],
})
export class AppModule {}
