/** Proves to the compiler that a switch handled every case; a new case stops compiling until it is handled. */
export function unreachable(value: never): never {
  throw new Error(`Unhandled case: ${JSON.stringify(value)}`)
}
