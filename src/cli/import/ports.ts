/** The commands with the port that a replica is given, where they name the one of the source as a port. */
export const listening = (run: string, port: number): string =>
  run.replaceAll(
    new RegExp(String.raw`((?<![a-z-])-[a-z-]*port[ =]|\b0\.0\.0\.0:|\[::\]:)(['"]?)${port}\2(?!\d)`, 'gi'),
    `$1"$PORT_${port}"`,
  )
