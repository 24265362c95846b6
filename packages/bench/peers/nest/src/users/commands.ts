import { NotFoundException } from '@nestjs/common'
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import { InjectModel } from '@nestjs/mongoose'
import { IsIn, IsString, Length } from 'class-validator'
import { Model } from 'mongoose'
import { User } from './user.schema.ts'

export class UpdateUserDto {
  @IsString()
  @Length(1, 100)
  name: string

  @IsIn(['buyer', 'seller', 'admin'], { each: true })
  roles: string[]
}

export class UpdateUser {
  constructor(
    readonly id: string,
    readonly input: UpdateUserDto,
  ) {}
}

export class DeleteUser {
  constructor(readonly id: string) {}
}

@CommandHandler(UpdateUser)
export class UpdateUserHandler implements ICommandHandler<UpdateUser> {
  constructor(@InjectModel(User.name) private readonly users: Model<User>) {}

  async execute({ id, input }: UpdateUser) {
    const user = await this.users.findByIdAndUpdate(id, input, { returnDocument: 'after' })
    if (!user) throw new NotFoundException()
    return user
  }
}

@CommandHandler(DeleteUser)
export class DeleteUserHandler implements ICommandHandler<DeleteUser> {
  constructor(@InjectModel(User.name) private readonly users: Model<User>) {}

  async execute({ id }: DeleteUser) {
    if (!(await this.users.findByIdAndDelete(id))) throw new NotFoundException()
  }
}
