// Doing something when asked, but not too often: at once the first time, then at the end of each pause in which it was asked for.

export interface Throttle {
  ask: () => void;
  stop: () => void;
}

export function throttle(ms: number, run: () => void): Throttle {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isAsked = false;

  function go(): void {
    isAsked = false;
    run();
    timer = setTimeout(() => {
      timer = undefined;
      if (isAsked) go();
    }, ms);
  }

  return {
    ask() {
      if (timer === undefined) go();
      else isAsked = true;
    },
    stop: () => clearTimeout(timer),
  };
}
