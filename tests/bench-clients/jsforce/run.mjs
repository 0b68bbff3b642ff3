// Reads a whole org, and later what has changed, with jsforce: one query an object, by `query` with autoFetch (argument `rest`) or by
// `bulk2.query` (argument `bulk`). See ../README.md for what it takes and prints.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import jsforce from 'jsforce';

const { FAKE_URL: instanceUrl, ACCESS_TOKEN: accessToken, BENCH_FOLDER, BENCH_PASS, BENCH_SINCE: since, BENCH_UNTIL: until } = process.env;
const bulk = process.argv[2] === 'bulk';
const fieldsFile = join(BENCH_FOLDER, 'fields.json');
const stamps = ['SystemModstamp', 'LastModifiedDate', 'CreatedDate'];
const unread = bulk ? ['address', 'location', 'base64'] : ['address', 'location'];
// Jobs wait for the org most of the time, so several are under way at once. It changes no count.
const atOnce = bulk ? 16 : 1;

// jsforce copies what it has of an answer for each piece that comes, so that a hundred megabytes of results take an hour. This reads
// the same answer once; it changes no request.
createRequire(import.meta.url)('jsforce/lib/util/stream').readAll = async (answer, encoding = 'utf-8') => {
  const pieces = [];
  for await (const piece of answer) pieces.push(piece);
  return Buffer.concat(pieces).toString(encoding);
};

const conn = new jsforce.Connection({ instanceUrl, accessToken, version: '62.0' });
// Once in ten seconds, not once a second as it does by itself: each poll is a request, and small jobs are done by then.
conn.bulk2.pollInterval = 10_000;
conn.bulk2.pollTimeout = 30 * 60_000;
const records = {};
const deleted = {};
const failed = {};

async function fieldsByObject() {
  const found = {};
  for (const { name, queryable } of (await conn.describeGlobal()).sobjects) {
    if (!queryable) continue;
    const { fields, replicateable } = await conn.sobject(name).describe();
    found[name] = { fields: fields.filter((f) => !unread.includes(f.type)).map((f) => f.name), replicateable };
  }
  return found;
}

/** Gives false where no job reads this object: its user then takes the other way. */
async function readByBulk(soql, scanAll, take) {
  let stream;
  try {
    stream = await conn.bulk2.query(soql, { scanAll });
  } catch (error) {
    if (error.errorCode === 'INVALIDENTITY') return false;
    throw error;
  }
  await new Promise((resolve, reject) => stream.on('record', take).on('error', reject).on('end', resolve));
  return true;
}

/** Counts live rows, and gives the Ids of those in the recycle bin. */
async function read(name, soql, scanAll) {
  const binned = new Set();
  let live = 0;
  const take = (row) => {
    if (row.IsDeleted === true || row.IsDeleted === 'true') binned.add(row.Id);
    // A page of results begins with its header again, which the client gives as if it were a row.
    else if (row.Id !== 'Id') live += 1;
  };
  if (!bulk || !(await readByBulk(soql, scanAll, take))) {
    const { records: rows } = await conn.query(soql, { autoFetch: true, maxFetch: Infinity, scanAll });
    rows.forEach(take);
  }
  records[name] = live;
  return binned;
}

async function full(name, { fields }) {
  await read(name, `SELECT ${fields.join(',')} FROM ${name}`, false);
}

async function incremental(name, { fields, replicateable }) {
  const stamp = stamps.find((s) => fields.includes(s));
  const gone = await read(name, `SELECT ${fields.join(',')} FROM ${name}${stamp ? ` WHERE ${stamp} >= ${since}` : ''}`, true);
  if (replicateable) {
    const answer = await conn.sobject(name).deleted(new Date(since), new Date(until));
    for (const { id } of answer.deletedRecords) gone.add(id);
  }
  deleted[name] = gone.size;
}

const pass = BENCH_PASS === 'full' ? full : incremental;
const objects = BENCH_PASS === 'full' ? await fieldsByObject() : JSON.parse(readFileSync(fieldsFile));
const left = Object.entries(objects);
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [name, known] = next;
      try {
        await pass(name, known);
      } catch (error) {
        failed[name] = `${error.errorCode ?? error.name}: ${error.message}`.slice(0, 200);
      }
    }
  }),
);
if (BENCH_PASS === 'full') {
  writeFileSync(fieldsFile, JSON.stringify(Object.fromEntries(Object.entries(objects).filter(([name]) => !(name in failed)))));
}
console.log(JSON.stringify({ records, deleted, failed }));
