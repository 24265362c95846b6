import { usersStream } from '@cqrs/contracts'
import { show, showWhole, until } from '../kit.ts'
import type { Step } from './step.ts'

export const commandAndEvent: Step = {
  title: 'A command and its event',
  about:
    'command-api writes a user and its event in one write, and its relay publishes the event to the stream ' +
    'USERS. The projector applies it to the read models; here it is stopped for a moment, so that you can see ' +
    'what is in between.',
  document: 'docs/architecture.md#a-change-step-by-step',
  pages: ({ pages }) => [pages.docs, pages.console('users'), pages.mail],
  async run({ system, people }) {
    const user = await system.processes.hold('projector', async (pid) => {
      show('the projector is stopped', `process ${pid}`)
      const user = await people.register()
      showWhole('the answer of POST /api/v1/auth/register', user)
      const subject = `users.${user.id}.created`
      const event = await until(subject, () => system.streams.getMessage(usersStream.name, { last_by_subj: subject }))
      showWhole(`message ${event.seq} of the stream ${usersStream.name}, subject ${subject}`, event.json())
      const document = await (await system.usersRead()).findOne({ _id: user.id })
      show('in the read model users_read', document ? 'yes' : 'not yet')
      return user
    })
    const usersRead = await system.usersRead()
    const document = await until('the user is in users_read', () => usersRead.findOne({ _id: user.id }))
    showWhole(`the projector continues: the document in ${usersRead.collectionName}`, document)
    const mail = await until('the welcome e-mail', async () => (await system.mailsTo((to) => to === user.email))[0])
    show('the welcome e-mail', `${mail.subject} (to ${user.email})`)
    return 'one command, one event, one document in each read model, one e-mail'
  },
}
