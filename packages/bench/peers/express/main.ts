import express from 'express'
import mongoose from 'mongoose'
import { authRoutes } from './auth-routes.ts'
import { userRoutes } from './user-routes.ts'

await mongoose.connect(process.env.MONGODB_URI ?? '')

const app = express()
app.use(express.json())
app.use('/api/v1/auth', authRoutes)
app.use('/api/v1/users', userRoutes)
app.listen(Number(process.env.PORT), '127.0.0.1')
