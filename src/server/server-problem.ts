/** Why the server cannot start or go on, for people: what happened, why, and on the last line what to do. */
export class ServerProblem extends Error {
  override name = 'ServerProblem'
  /** `conflict`: another server has the state directory or the port. `usage`: an option or file is not right. */
  readonly code: 'conflict' | 'usage' | 'failed'

  constructor(code: ServerProblem['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
