import { randomUUID } from 'node:crypto'
import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose'

@Schema({
  timestamps: true,
  versionKey: false,
  toJSON: { transform: (_document, stored: object) => answerOf(stored as User) },
})
export class User {
  @Prop({ type: String, default: () => randomUUID() })
  _id: string

  @Prop({ required: true, lowercase: true, unique: true })
  email: string

  @Prop({ required: true, select: false })
  passwordHash: string

  @Prop({ required: true })
  name: string

  @Prop({ type: [String], enum: ['buyer', 'seller', 'admin'], required: true })
  roles: string[]

  @Prop({ default: true })
  isActive: boolean
}

export const UserSchema = SchemaFactory.createForClass(User)
UserSchema.index({ roles: 1, _id: -1 })

function answerOf({ _id, passwordHash: _secret, ...rest }: User) {
  return {
    id: _id,
    ...rest,
    roleCount: rest.roles.length,
    isBuyer: rest.roles.includes('buyer'),
    isSeller: rest.roles.includes('seller'),
  }
}
