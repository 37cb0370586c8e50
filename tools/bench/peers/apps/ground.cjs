// What the programs for node stand on; ground.py says what clients and workers are.
"use strict";

const fs = require("node:fs");
const readline = require("node:readline");

const BATCH = 1000;
const journal = process.env.BENCH_JOURNAL ? fs.openSync(process.env.BENCH_JOURNAL, "a") : -1;

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const seconds = (since) => Number(process.hrtime.bigint() - since) / 1e9;

// Note that a task is carried out: its number, and now, on the clock of all processes.
function note(number) {
  const record = Buffer.allocUnsafe(16);
  record.writeBigInt64LE(BigInt(number), 0);
  record.writeBigInt64LE(process.hrtime.bigint(), 8);
  fs.writeSync(journal, record);
}

async function create(peer, ask, size) {
  const begun = process.hrtime.bigint();
  let made = 0;
  while (made < ask.count && (made === 0 || seconds(begun) <= ask.seconds)) {
    const length = Math.min(size, ask.count - made);
    const numbers = Array.from({ length }, (_, at) => ask.first + made + at);
    await (size === 1 ? peer.one(numbers[0]) : peer.many(numbers));
    made += length;
  }
  return { made, seconds: seconds(begun) };
}

async function pace(peer, ask) {
  const moments = [];
  for (let number = ask.first; number < ask.first + ask.count; number += 1) {
    await sleep(ask.seconds);
    moments.push(Number(process.hrtime.bigint()));
    await peer.one(number);
  }
  return moments;
}

async function carriedOut(peer, ask) {
  if (ask.verb === "open") {
    await peer.begin();
    return {};
  }
  return ask.verb === "pace" ? pace(peer, ask) : create(peer, ask, ask.verb === "one" ? 1 : BATCH);
}

// Be the worker or the client, as the command line says.
async function main(peer) {
  if (process.argv[2] === "worker") {
    await peer.worker();
    return;
  }
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await carriedOut(peer, JSON.parse(line)))}\n`);
  }
}

module.exports = { main, note, url: process.env.BENCH_STORE_URL };
