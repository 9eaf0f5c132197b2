/** The order of the work: one job at a time, because the worker does one at a time and memory holds few photos. */

export type Job = () => Promise<void>;

/** Returns the next job of one kind, or undefined if none waits. */
export type JobSource = () => Job | undefined;

export class Scheduler {
  private busy = false;
  private running = Promise.resolve();

  /** @param sources where jobs come from; after every job the first source that has one is asked again. */
  constructor(private readonly sources: readonly JobSource[]) {}

  /** Starts to work if there is a job; called whenever a source may have got one. */
  wake(): void {
    if (!this.busy) this.running = this.work();
  }

  /** Is fulfilled when no job runs or waits. */
  idle(): Promise<void> {
    return this.running;
  }

  private async work(): Promise<void> {
    this.busy = true;
    try {
      for (let job = this.next(); job !== undefined; job = this.next()) await job();
    } finally {
      this.busy = false;
    }
  }

  private next(): Job | undefined {
    for (const source of this.sources) {
      const job = source();
      if (job !== undefined) return job;
    }
    return undefined;
  }
}
