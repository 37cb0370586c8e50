// BullMQ on Redis.
"use strict";

const { Queue, Worker } = require("bullmq");
const { main, note, url } = require("./ground.cjs");

const CONCURRENCY = 100;
const { hostname: host, port } = new URL(url);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const data = (number) => ({ name: "noted", data: { number }, opts: { removeOnComplete: true } });

let queue;

main({
  begin() {
    queue = new Queue("bench", { connection });
    return queue.waitUntilReady();
  },
  one(number) {
    return queue.add("noted", { number }, { removeOnComplete: true });
  },
  many(numbers) {
    return queue.addBulk(numbers.map(data));
  },
  async worker() {
    new Worker("bench", async (job) => note(job.data.number), { connection, concurrency: CONCURRENCY });
  },
});
