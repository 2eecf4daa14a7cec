/**
 * A simulation did what none may do: a fault of the simulator or of a policy, never of what it was given. Its message is
 * the fewest facts that show it.
 */
export class BrokenRule extends Error {
  constructor(fact: string) {
    super(fact)
    this.name = 'BrokenRule'
  }
}

export function broken(fact: string): never {
  throw new BrokenRule(fact)
}
