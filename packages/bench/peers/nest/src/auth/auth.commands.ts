import { IsEmail, IsIn, IsString, Length } from 'class-validator'

export class LogInDto {
  @IsEmail()
  email: string

  @Length(8, 128)
  password: string
}

export class RegisterUserDto extends LogInDto {
  @IsString()
  @Length(1, 100)
  name: string

  @IsIn(['buyer', 'seller'], { each: true })
  roles: string[]
}

export class RegisterUser {
  constructor(readonly input: RegisterUserDto) {}
}

export class LogIn {
  constructor(readonly input: LogInDto) {}
}
