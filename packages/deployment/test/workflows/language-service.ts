import { registerHooks } from 'node:module'
import { TextDocument } from 'vscode-languageserver-textdocument'

// GitHub's package is made for bundlers: it imports JSON without an import attribute.
const hooks = registerHooks({
  load: (url, context, load) =>
    load(url, url.endsWith('.json') ? { ...context, importAttributes: { type: 'json' } } : context),
})
const { validate } = await import('@actions/languageservice')
hooks.deregister()

/** The mistakes in a workflow that GitHub's language service finds: schema, expressions and contexts. One line each. */
export async function mistakesIn(name: string, text: string): Promise<string[]> {
  const document = TextDocument.create(`file:///.github/workflows/${name}`, 'yaml', 1, text)
  const diagnostics = await validate(document)
  return diagnostics.map(({ message, range }) => `${name}:${range.start.line + 1}: ${message}`)
}
