import { Client } from 'pg'

import type { Clock } from '#kit/clock.ts'

/**
 * Lets a database go by a clock of ours: its `clock_timestamp()` is then the time that was told last, so that claims run
 * out when a simulation says so. Only for connections that are opened later.
 */
export async function followClock(url: string, clock: Pick<Clock, 'now'>): Promise<DatabaseClock> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`
    create table told_time (at timestamptz not null);
    insert into told_time values (to_timestamp(0));
    create function public.clock_timestamp() returns timestamptz language sql volatile as 'select at from told_time';
    do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$;
  `)
  let told = NaN
  return {
    async tell() {
      if (told === clock.now()) return
      told = clock.now()
      await client.query('update told_time set at = to_timestamp($1::bigint / 1000.0)', [told])
    },
    close: () => client.end(),
  }
}

export type DatabaseClock = {
  /** Tells the database what time it is, if that is another than before. */
  tell(): Promise<void>
  close(): Promise<void>
}
