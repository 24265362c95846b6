import { Body, Controller, HttpCode, Post } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import { LogIn, LogInDto, RegisterUser, RegisterUserDto } from './auth.commands.ts'

@Controller('auth')
export class AuthController {
  constructor(private readonly commands: CommandBus) {}

  @Post('register')
  register(@Body() body: RegisterUserDto) {
    return this.commands.execute(new RegisterUser(body))
  }

  @Post('login')
  @HttpCode(200)
  logIn(@Body() body: LogInDto) {
    return this.commands.execute(new LogIn(body))
  }
}
