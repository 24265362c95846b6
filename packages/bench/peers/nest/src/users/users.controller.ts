import {
  Body,
  Controller,
  Delete,
  ForbiddenException,
  Get,
  HttpCode,
  Param,
  Put,
  Query,
  Req,
  UseGuards,
} from '@nestjs/common'
import { CommandBus, QueryBus } from '@nestjs/cqrs'
import { AuthGuard, type Caller } from '../auth/auth.guard.ts'
import { DeleteUser, UpdateUser, UpdateUserDto } from './commands.ts'
import { GetUser, ListUsers, PageDto } from './queries.ts'

@Controller('users')
@UseGuards(AuthGuard)
export class UsersController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Get()
  list(@Query() page: PageDto) {
    return this.queries.execute(new ListUsers({}, page))
  }

  @Get('by-role/:role')
  listByRole(@Param('role') role: string, @Query() page: PageDto) {
    return this.queries.execute(new ListUsers({ roles: role }, page))
  }

  @Get(':id')
  get(@Param('id') id: string) {
    return this.queries.execute(new GetUser(id))
  }

  @Put(':id')
  update(@Param('id') id: string, @Body() body: UpdateUserDto, @Req() { user }: { user: Caller }) {
    refuseUnlessSelfOrAdmin(id, user)
    return this.commands.execute(new UpdateUser(id, body))
  }

  @Delete(':id')
  @HttpCode(204)
  delete(@Param('id') id: string, @Req() { user }: { user: Caller }) {
    refuseUnlessSelfOrAdmin(id, user)
    return this.commands.execute(new DeleteUser(id))
  }
}

function refuseUnlessSelfOrAdmin(id: string, { sub, roles }: Caller): void {
  if (sub !== id && !roles.includes('admin')) throw new ForbiddenException()
}
