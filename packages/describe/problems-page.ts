import { type ProblemCode, problems } from '@cqrs/contracts'
import { remedies } from './remedies.ts'

/** The page of the API reference to which the `type` of a problem leads: what each code means, and the remedy. */
export const problemsPage = (): string => `<!doctype html>
<!-- Written by \`npm run openapi\`. -->
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>CQRS user service: problems</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/docs/style.css">
  </head>
  <body class="text">
    <main>
      <h1>Problems</h1>
      <p>Every refusal of the <a href="/docs">API</a> has one of these codes.</p>
${Object.keys(problems)
  .map((code) => section(code as ProblemCode))
  .join('\n')}
    </main>
  </body>
</html>
`

function section(code: ProblemCode): string {
  const [status, title] = problems[code]
  return `      <section id="${code}">
        <h2><a href="#${code}">${code}</a> <small>${status}</small></h2>
        <p>${wrapped(`<strong>${html(title)}</strong>`)}</p>
        <p>${wrapped(html(remedies[code]))}</p>
      </section>`
}

const html = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll(/`([^`]+)`/g, '<code>$1</code>')

/** Breaks a long text into lines, as in every file of this repository. */
const wrapped = (text: string): string => `${text.replaceAll(/(.{1,90})(?: |$)/g, '\n          $1')}\n        `
