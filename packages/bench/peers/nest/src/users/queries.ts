import { NotFoundException } from '@nestjs/common'
import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs'
import { InjectModel } from '@nestjs/mongoose'
import { Type } from 'class-transformer'
import { IsInt, Max, Min } from 'class-validator'
import { Model } from 'mongoose'
import { User } from './user.schema.ts'

export class PageDto {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  limit = 20

  @Type(() => Number)
  @IsInt()
  @Min(0)
  offset = 0
}

export class GetUser {
  constructor(readonly id: string) {}
}

export class ListUsers {
  constructor(
    readonly filter: { roles?: string },
    readonly page: PageDto,
  ) {}
}

@QueryHandler(GetUser)
export class GetUserHandler implements IQueryHandler<GetUser> {
  constructor(@InjectModel(User.name) private readonly users: Model<User>) {}

  async execute({ id }: GetUser) {
    const user = await this.users.findById(id)
    if (!user) throw new NotFoundException()
    return user
  }
}

@QueryHandler(ListUsers)
export class ListUsersHandler implements IQueryHandler<ListUsers> {
  constructor(@InjectModel(User.name) private readonly users: Model<User>) {}

  async execute({ filter, page: { limit, offset } }: ListUsers) {
    const [data, total] = await Promise.all([
      this.users.find(filter, null, { sort: { _id: -1 }, skip: offset, limit }),
      this.users.countDocuments(filter),
    ])
    return { data, pagination: { limit, offset, total } }
  }
}
