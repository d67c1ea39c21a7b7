/* Carries IP packets between two TUN devices and impairs them, both ways alike: see tools/bench/wire.py.

   usage: wire FD FD       one line of standard input sets everything anew:
   loss bursts delay_ms jitter_ms rate queue_s outage_from_s outage_s seed
   An empty line is answered with what happened since: carried lost queued_out (first to second device, and back). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1 << 14, SLOT_US = 250, LONGEST = 2048, AT_ONCE = 64 }; /* packets wait for up to 4 s */

struct packet {
    struct packet *next;
    int to, size;
    unsigned char bytes[LONGEST];
};
struct queue {
    struct packet *first, **last;
};
static struct weather {
    double loss, bursts, delay_ms, jitter_ms, rate, queue_s, outage_from_s, outage_s, seed;
} weather;
static struct queue wheel[SLOTS];
static int64_t begun_us, turned; /* the slot that was emptied last */
static long waiting;
static long carried[2], lost[2], queued_out[2];
static int burst[2];
static double busy_until_us[2];
static uint64_t state = 88172645463325252ull;

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static double chance(void) { /* xorshift; from 0 to 1 */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / (double)(1ull << 53);
}

static int is_lost(int way, int64_t now) {
    double since_s = (double)(now - begun_us) / 1e6 - weather.outage_from_s;
    if (weather.outage_s > 0 && since_s >= 0 && since_s < weather.outage_s) return 1;
    if (burst[way] > 0) return burst[way]--, 1;
    if (weather.bursts > 0 && chance() < weather.bursts / 6.5) { /* 3 to 10 in a row */
        burst[way] = 2 + (int)(chance() * 8);
        return 1;
    }
    return weather.loss > 0 && chance() < weather.loss;
}

static void send_later(int way, int to, const unsigned char *bytes, int size, int64_t now) {
    double at = (double)now;
    if (is_lost(way, now)) {
        lost[way]++;
        return;
    }
    if (weather.rate > 0) {
        if (busy_until_us[way] < at) busy_until_us[way] = at;
        if (busy_until_us[way] - at > weather.queue_s * 1e6) {
            queued_out[way]++;
            return;
        }
        at = busy_until_us[way] += size * 8e6 / weather.rate;
    }
    at += weather.delay_ms * 1e3;
    if (weather.jitter_ms > 0) at += (2 * chance() - 1) * weather.jitter_ms * 1e3;
    int64_t slot = (int64_t)at / SLOT_US;
    if (slot <= turned) slot = turned + 1;
    if (slot - turned >= SLOTS) slot = turned + SLOTS - 1;
    struct packet *packet = malloc(sizeof *packet);
    if (packet == NULL) exit(1);
    packet->next = NULL;
    packet->to = to;
    packet->size = size;
    memcpy(packet->bytes, bytes, (size_t)size);
    struct queue *queue = &wheel[slot % SLOTS];
    if (queue->first == NULL) queue->last = &queue->first;
    *queue->last = packet;
    queue->last = &packet->next;
    waiting++;
}

static void turn(int64_t until) {
    if (waiting == 0) turned = until;
    for (; turned < until; turned++) {
        struct queue *queue = &wheel[(turned + 1) % SLOTS];
        for (struct packet *packet = queue->first, *next; packet != NULL; packet = next) {
            next = packet->next;
            if (write(packet->to, packet->bytes, (size_t)packet->size) < 0) { /* that machine is gone */
            }
            free(packet);
            waiting--;
        }
        queue->first = NULL;
    }
}

static int take_line(void) {
    char line[512];
    if (fgets(line, sizeof line, stdin) == NULL) return 0;
    if (line[0] == '\n') {
        printf("%ld %ld %ld %ld %ld %ld\n", carried[0], lost[0], queued_out[0], carried[1], lost[1], queued_out[1]);
        fflush(stdout);
        return 1;
    }
    struct weather w;
    if (sscanf(line, "%lf %lf %lf %lf %lf %lf %lf %lf %lf", &w.loss, &w.bursts, &w.delay_ms, &w.jitter_ms, &w.rate,
               &w.queue_s, &w.outage_from_s, &w.outage_s, &w.seed) != 9)
        return 0;
    weather = w;
    state = 88172645463325252ull ^ ((uint64_t)w.seed * 0x9E3779B97F4A7C15ull);
    memset(carried, 0, sizeof carried);
    memset(lost, 0, sizeof lost);
    memset(queued_out, 0, sizeof queued_out);
    memset(burst, 0, sizeof burst);
    begun_us = now_us();
    return 1;
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int devices[2] = {atoi(arguments[1]), atoi(arguments[2])};
    unsigned char bytes[LONGEST];
    setvbuf(stdin, NULL, _IONBF, 0);
    turned = now_us() / SLOT_US;
    for (;;) {
        struct pollfd ready[3] = {{devices[0], POLLIN, 0}, {devices[1], POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        struct timespec until, *wait = NULL;
        if (waiting > 0) { /* until the next packet is due */
            int64_t slot = turned + 1;
            while (wheel[slot % SLOTS].first == NULL) slot++;
            int64_t left_us = slot * SLOT_US - now_us();
            if (left_us < 0) left_us = 0;
            until.tv_sec = left_us / 1000000;
            until.tv_nsec = left_us % 1000000 * 1000;
            wait = &until;
        }
        if (ppoll(ready, 3, wait, NULL) < 0) return 1;
        int64_t now = now_us();
        turn(now / SLOT_US);
        if (ready[2].revents != 0 && !take_line()) return 0;
        for (int way = 0; way < 2; way++) {
            if (ready[way].revents == 0) continue;
            for (int more = 0; more < AT_ONCE; more++) {
                ssize_t size = read(devices[way], bytes, sizeof bytes);
                if (size <= 0) break;
                carried[way]++;
                send_later(way, devices[1 - way], bytes, (int)size, now);
            }
        }
    }
}
