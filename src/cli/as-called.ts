/** The first words of all commands. Written out, because the tree of commands knows of everything that shows a text. */
export const firstWords =
  'run plan apply validate init import simulate ps describe logs why wait events stop hold release priority cost offers sites projects ' +
  'gateway demo doctor site secret serve server db api completion complete-workloads version help'

const called = new RegExp(
  String.raw`(?<![\w./-]|npx )isobar(?= (?:(?:${firstWords.replaceAll(' ', '|')})\b|[-<[]))`,
  'g',
)

/**
 * Puts commands in a text for people as whoever reads it would type them: `npx isobar ps` when this one was called so.
 * Data keeps `isobar`.
 */
export const asCalled = (env: Record<string, string | undefined>, text: string): string =>
  env.npm_command === 'exec' ? text.replaceAll(called, 'npx isobar') : text
