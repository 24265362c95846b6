import { type Request, Router } from 'express'
import { authenticate, selfOrAdmin } from './authenticate.ts'
import { answerOf, User } from './user.ts'

export const userRoutes = Router()
userRoutes.use(authenticate)

userRoutes.get('/', async (request, response) => {
  response.json(await page({}, request))
})

userRoutes.get('/by-role/:role', async (request, response) => {
  response.json(await page({ roles: request.params.role }, request))
})

userRoutes.get('/:id', async (request, response) => {
  const user = await User.findById(request.params.id).lean()
  if (!user) return void response.status(404).json({ message: 'Not found' })
  response.json(answerOf(user))
})

userRoutes.put('/:id', selfOrAdmin, async (request, response) => {
  const { name, roles } = request.body
  const options = { returnDocument: 'after', runValidators: true } as const
  const user = await User.findByIdAndUpdate(request.params.id, { name, roles }, options).lean()
  if (!user) return void response.status(404).json({ message: 'Not found' })
  response.json(answerOf(user))
})

userRoutes.delete('/:id', selfOrAdmin, async (request, response) => {
  const user = await User.findByIdAndDelete(request.params.id)
  response.sendStatus(user ? 204 : 404)
})

async function page(filter: object, request: Request) {
  const limit = Math.min(Number(request.query.limit) || 20, 100)
  const offset = Number(request.query.offset) || 0
  const [users, total] = await Promise.all([
    User.find(filter, null, { sort: { _id: -1 }, skip: offset, limit }).lean(),
    User.countDocuments(filter),
  ])
  return { data: users.map(answerOf), pagination: { limit, offset, total } }
}
