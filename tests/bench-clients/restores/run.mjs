// Creates deleted records anew, and sets back what referred to them: by `sf data import tree` with a plan (argument `tree`), by jsforce's
// `create` and `update` (`collections`), or by jsforce's `bulk2` (`bulk`). See ../README.md for what it takes and prints.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import jsforce from 'jsforce';

const { FAKE_URL: instanceUrl, ACCESS_TOKEN: accessToken, BENCH_FOLDER } = process.env;
const way = process.argv[2];
const { objects, back } = JSON.parse(readFileSync(join(BENCH_FOLDER, 'wanted.json')));
const conn = new jsforce.Connection({ instanceUrl, accessToken, version: '62.0' });
// Once in ten seconds, not once a second as it does by itself: each poll is a request, and small jobs are done by then.
conn.bulk2.pollInterval = 10_000;
conn.bulk2.pollTimeout = 30 * 60_000;

const gone = new Map(objects.flatMap(({ name, records }) => records.map(({ Id }) => [Id, name])));
/** New Ids by old ones. */
const ids = new Map();
const failed = {};
const fail = (object, why) => {
  failed[object] ??= String(why).slice(0, 200);
};

/** The record as it can be created now, and the references that have to wait. */
function ready({ Id, ...values }) {
  const later = {};
  for (const [field, value] of Object.entries(values)) {
    if (!gone.has(value)) continue;
    if (ids.has(value)) values[field] = ids.get(value);
    else {
      later[field] = value;
      delete values[field];
    }
  }
  return { values, later };
}

/** Writes records of an object; gives an Id or nothing for each of them, in their order. */
const write = {
  async collections(object, verb, records) {
    const results = await conn.sobject(object)[verb](records, { allowRecursive: true });
    return results.map((result) => {
      if (!result.success) fail(object, JSON.stringify(result.errors));
      return result.success ? result.id : undefined;
    });
  },
  async bulk(object, verb, records) {
    // jsforce takes the columns from the first record and writes `true` as 1 and `false` as nothing: give it all fields, as text.
    const fields = [...new Set(records.flatMap(Object.keys))];
    const text = (record) => fields.map((field) => String(record[field] ?? ''));
    const input = records.map((record) => Object.fromEntries(text(record).map((value, at) => [fields[at], value])));
    const operation = verb === 'create' ? 'insert' : verb;
    const { successfulResults, failedResults } = await conn.bulk2.loadAndWaitForResults({ object, operation, input });
    for (const result of failedResults) fail(object, result.sf__Error);
    // Results come in any order, with what was sent: a record is told by its values, and of equal ones any will do.
    const told = (record) => JSON.stringify(text(record));
    const found = new Map();
    for (const result of successfulResults) found.set(told(result), [...(found.get(told(result)) ?? []), result.sf__Id]);
    return records.map((record) => found.get(told(record))?.shift());
  },
};

async function restore() {
  const waiting = {};
  for (const { name, records } of objects) {
    const all = records.map((record) => ({ old: record.Id, ...ready(record) }));
    const created = await write[way](name, 'create', all.map(({ values }) => values));
    created.forEach((id, at) => {
      if (!id) return;
      ids.set(all[at].old, id);
      if (Object.keys(all[at].later).length > 0) (waiting[name] ??= []).push({ Id: id, ...all[at].later });
    });
  }
  const updates = Object.entries(back).concat(Object.entries(waiting));
  const byObject = {};
  for (const [name, records] of updates) (byObject[name] ??= []).push(...records);
  for (const [name, records] of Object.entries(byObject)) {
    const known = records.map((record) =>
      Object.fromEntries(Object.entries(record).flatMap(([field, value]) => {
        if (field === 'Id' || !gone.has(value)) return [[field, value]];
        return ids.has(value) ? [[field, ids.get(value)]] : [];
      })),
    );
    const changed = known.filter((record) => Object.keys(record).length > 1);
    if (changed.length > 0) await write[way](name, 'update', changed);
  }
}

/** A plan as `sf data export tree` writes it, given to what the command calls. It only creates. */
async function importTree() {
  const folder = join(BENCH_FOLDER, 'tree');
  mkdirSync(folder, { recursive: true });
  const names = new Map();
  for (const { name, records } of objects) records.forEach(({ Id }, at) => names.set(Id, `${name}Ref${at + 1}`));
  const before = new Set();
  const plan = objects.map(({ name, records }) => {
    before.add(name);
    const rows = records.map(({ Id, ...values }) => {
      const known = Object.entries(values).filter(([, value]) => !gone.has(value) || before.has(gone.get(value)));
      const refer = ([field, value]) => [field, gone.has(value) ? `@${names.get(value)}` : value];
      return { attributes: { type: name, referenceId: names.get(Id) }, ...Object.fromEntries(known.map(refer)) };
    });
    const file = `${name}.json`;
    writeFileSync(join(folder, file), JSON.stringify({ records: rows }));
    return { sobject: name, files: [file] };
  });
  const file = join(folder, 'plan.json');
  writeFileSync(file, JSON.stringify(plan));
  const { importFromPlan } = await import(
    new URL('./node_modules/@salesforce/plugin-data/lib/api/data/tree/importPlan.js', import.meta.url)
  );
  await importFromPlan(conn, file);
}

try {
  await (way === 'tree' ? importTree() : restore());
} catch (error) {
  fail('all', `${error.errorCode ?? error.name}: ${error.message}`);
}
console.log(JSON.stringify({ records: {}, deleted: {}, failed }));
