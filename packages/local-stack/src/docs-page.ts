import { copyReference } from './gateway/reference.ts'

/** `npm run docs:page -- DIRECTORY` writes the files of the API reference, for a static file server. */
const [directory] = process.argv.slice(2)
if (directory) await copyReference(directory)
else {
  console.error('usage: npm run docs:page -- DIRECTORY')
  process.exitCode = 1
}
