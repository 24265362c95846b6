import { randomUUID } from 'node:crypto'
import mongoose from 'mongoose'

const schema = new mongoose.Schema(
  {
    _id: { type: String, default: () => randomUUID() },
    email: { type: String, required: true, lowercase: true, unique: true },
    passwordHash: { type: String, required: true, select: false },
    name: { type: String, required: true },
    roles: { type: [String], enum: ['buyer', 'seller', 'admin'], required: true },
    isActive: { type: Boolean, default: true },
  },
  { timestamps: true, versionKey: false },
)
schema.index({ roles: 1, _id: -1 })

export const User = mongoose.model('User', schema)

type Stored = { _id: string; roles: string[]; passwordHash?: string }

export const answerOf = ({ _id, passwordHash: _secret, ...rest }: Stored) => ({
  id: _id,
  ...rest,
  roleCount: rest.roles.length,
  isBuyer: rest.roles.includes('buyer'),
  isSeller: rest.roles.includes('seller'),
})
