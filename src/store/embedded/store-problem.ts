/** What went wrong with the database, for people: what happened, why, and on the last line what to do. */
export class StoreProblem extends Error {
  override name = 'StoreProblem'
}

const tail = (log: string): string =>
  log
    .split('\n')
    .filter((line) => /FATAL|PANIC|ERROR|error:|could not|No space/.test(line))
    .slice(-3)
    .join('\n') || log.trim().split('\n').slice(-3).join('\n')

/** Turns what PostgreSQL wrote before it gave up into a problem with its fix. */
export function explain(log: string, home: string): StoreProblem {
  const said = `PostgreSQL said:\n${tail(log)}`
  // A disk that is nearly full takes a part of what is written, and says no more than that.
  if (/No space left on device|ENOSPC|wrote only \d+ of \d+ bytes/.test(log))
    return new StoreProblem(
      `The disk that holds the database is full.\n${said}\nFree some space and try again: df -h ${home}`,
    )
  if (/incompatible with server|was initialized by PostgreSQL version/.test(log))
    return new StoreProblem(
      `The database in ${home} was made by another version of PostgreSQL.\n${said}\nInstall that version, or set DATABASE_URL to a server of your own.`,
    )
  if (/checkpoint record|pg_control|invalid (page|data)|checksum|not a valid data directory|missing/i.test(log))
    return new StoreProblem(
      `The database in ${home} is damaged.\n${said}\nPut it aside and restore your last backup: mv ${home} ${home}.damaged && isobar db restore <file>`,
    )
  if (/Permission denied|EACCES|EPERM|wrong ownership|invalid permissions|has group or world access/.test(log))
    return new StoreProblem(
      `The database in ${home} belongs to somebody else, or others may read it.\n${said}\nGive it back to its owner, or choose another state directory: ISOBAR_HOME=<directory>`,
    )
  const stranger = /could not look up effective user ID (\d+)/.exec(log)
  if (stranger)
    return new StoreProblem(
      `PostgreSQL does not run as a user without a name, and this is ${stranger[1]}.\nAs in a container that runs as a number: give it a name in /etc/passwd, or set DATABASE_URL to a server of your own.`,
    )
  return new StoreProblem(`The database in ${home} did not start.\n${said}\nRead ${home}/log for more, then try again.`)
}
