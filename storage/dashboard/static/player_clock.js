/* One clock for the video, the overlay and the 3D. While a video plays it is the clock, since nothing
   else can be held to a picture that is decoded elsewhere; without one the wall is. */

export const SPEEDS = [0.25, 0.5, 1, 1.5, 2];
/* Where a seek aims inside a frame: past its start, so that rounding shows this one and not the last. */
const INTO_FRAME_S = 0.002;

export class PlayerClock extends EventTarget {
  /** `duration_s` of the motion; times are seconds from its first frame. */
  constructor(duration_s) {
    super();
    this.duration = Math.max(duration_s, 0);
    this.time = 0;
    this.playing = false;
    this.loop = true;
    this.speed = 1;
    this.video = null;
    this.offset = 0;
    /** The motion's time of the picture that the video shows; null without one. */
    this.picture = null;
    this.last = 0;
    this.frame = 0;
    this.ending = new AbortController();
  }

  /** Let a video lead: `offset` is its time at the motion's first frame. */
  follow(video, offset) {
    const { signal } = this.ending;
    this.video = video;
    this.offset = offset;
    video.playbackRate = this.speed;
    video.addEventListener("ended", () => this.playing && this.atEnd(), { signal });
    video.addEventListener("seeked", () => this.tell(), { signal });
    const shown = (_, { mediaTime }) => {
      if (signal.aborted || this.video !== video) return;
      this.picture = mediaTime - this.offset;
      // At once: what lies on the picture is painted together with it.
      this.dispatchEvent(new Event("picture"));
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback?.(shown);
    this.seekVideo();
    if (this.playing) this.playVideo();
  }

  /** The video cannot be played after all. */
  unfollow() {
    this.video?.pause();
    this.video = null;
    this.picture = null;
    this.tell();
  }

  play() {
    if (this.playing) return;
    if (this.time >= this.duration - 1e-3) this.seek(0);
    this.playing = true;
    this.last = performance.now();
    this.playVideo();
    this.frame = requestAnimationFrame((now) => this.tick(now));
    this.dispatchEvent(new Event("state"));
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.frame);
    this.video?.pause();
    // The video ran on after the last tick: 3D and overlay stop where its picture does.
    if (this.video && !this.video.seeking)
      this.time = Math.min(Math.max(this.video.currentTime - this.offset, 0), this.duration);
    this.dispatchEvent(new Event("state"));
    this.tell();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(time) {
    this.time = Math.min(Math.max(time, 0), this.duration);
    this.seekVideo();
    this.tell();
  }

  setSpeed(speed) {
    this.speed = speed;
    if (this.video) this.video.playbackRate = speed;
    this.dispatchEvent(new Event("state"));
  }

  setLoop(loop) {
    this.loop = loop;
    this.dispatchEvent(new Event("state"));
  }

  close() {
    this.playing = false;
    cancelAnimationFrame(this.frame);
    this.ending.abort();
    this.video?.pause();
  }

  tick(now) {
    if (!this.playing) return;
    const passed = (now - this.last) / 1000;
    this.last = now;
    if (!this.video) this.time += Math.max(passed, 0) * this.speed;
    else if (!this.video.seeking) this.time = Math.max(this.video.currentTime - this.offset, 0);
    if (this.time >= this.duration) this.atEnd();
    this.tell();
    if (this.playing) this.frame = requestAnimationFrame((next) => this.tick(next));
  }

  atEnd() {
    this.time = this.duration;
    if (!this.loop) return void this.pause();
    this.time = 0;
    this.seekVideo();
    if (this.video?.paused) this.playVideo();
  }

  seekVideo() {
    if (this.video) this.video.currentTime = Math.max(this.offset + this.time + INTO_FRAME_S, 0);
  }

  playVideo() {
    this.video?.play().catch((error) => {
      // A pause or another source came before playing began: not a failure.
      if (error.name !== "AbortError") this.unfollow();
    });
  }

  tell() {
    this.dispatchEvent(new Event("tick"));
  }
}
