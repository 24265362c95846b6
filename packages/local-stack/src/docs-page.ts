import { copyReference } from './gateway/reference.ts'

/** `pnpm docs:page DIRECTORY`: the files of the API reference, for a server of files. */
const [directory] = process.argv.slice(2)
if (directory) await copyReference(directory)
else {
  console.error('usage: pnpm docs:page DIRECTORY')
  process.exitCode = 1
}
