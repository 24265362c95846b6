import { ProblemError } from './errors.ts'

const header = 'consistency-token'

/**
 * The tokens of what this client has changed and seen. Queries send them, so that no answer is older.
 *
 * The answer of a query stands for all tokens that the query was sent with. Until the next query the tokens of commands
 * are kept, the latest 20 at most: the service takes no more users at once.
 */
export class Freshness {
  #tokens: string[]

  /** @param token what another client has seen */
  constructor(token = '') {
    this.#tokens = token.split(',').filter((one) => one)
  }

  /** All tokens together, for another client; empty if there is nothing to pass on. */
  get token(): string {
    return this.#tokens.join(',')
  }

  /** Takes the token of a command's answer; a refusal has one as well, where the user was found to be deleted. */
  async command(answer: Promise<Response>): Promise<Response> {
    return await this.#noting(answer, [])
  }

  /**
   * Sends a query with the tokens, and takes that of its answer. If the service refuses the tokens, as too many or as
   * no longer valid, it forgets the older half of them and sends the query again.
   * @param send sends the query with these headers
   */
  async query(headers: Headers, send: (headers: Headers) => Promise<Response>): Promise<Response> {
    const sent = this.#tokens
    const withTokens = new Headers(headers)
    if (sent.length > 0) withTokens.set(header, sent.join(','))
    try {
      return await this.#noting(send(withTokens), sent)
    } catch (error) {
      const isAboutTokens = ({ errors }: ProblemError) =>
        errors.some(({ pointer }) => pointer === `#/headers/${header}`)
      if (!(sent.length > 0 && error instanceof ProblemError && isAboutTokens(error))) throw error
      const older = sent.slice(0, Math.ceil(sent.length / 2))
      this.#tokens = this.#tokens.filter((token) => !older.includes(token))
      return this.query(headers, send)
    }
  }

  async #noting(answer: Promise<Response>, sent: string[]): Promise<Response> {
    try {
      const response = await answer
      this.#replace(sent, response.headers)
      return response
    } catch (error) {
      if (error instanceof ProblemError) this.#replace([], error.headers)
      throw error
    }
  }

  #replace(old: string[], headers: Headers): void {
    const token = headers.get(header)
    if (!token) return
    const kept = this.#tokens.filter((one) => !old.includes(one) && one !== token)
    this.#tokens = [...kept, token].slice(-20)
    // The service takes a header of 8,192. The token of a query that some read models are behind has up to 1,500.
    while (this.token.length > 6_000) this.#tokens.shift()
  }
}
