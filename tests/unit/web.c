/* Addresses of the web: the examples of RFC 3986, 5.4; which addresses are public, by IANA's registries; which proxy is
** taken, by curl's rules; and how long a server asks to be left alone, by RFC 9110, 5.6.7 and 10.2.3. */
#include "base/http_wait.h"
#include "base/ip_range.h"
#include "base/memory.h"
#include "base/proxy.h"
#include "base/url.h"
#include "program.h"

typedef struct Joined {
  const char *reference, *joined;
} Joined;

/* On http://a/b/c/d;p?q */
static const Joined examples[] = {
    {"g:h", "g:h"},
    {"g", "http://a/b/c/g"},
    {"./g", "http://a/b/c/g"},
    {"g/", "http://a/b/c/g/"},
    {"/g", "http://a/g"},
    {"//g", "http://g"},
    {"?y", "http://a/b/c/d;p?y"},
    {"g?y", "http://a/b/c/g?y"},
    {"#s", "http://a/b/c/d;p?q#s"},
    {"g#s", "http://a/b/c/g#s"},
    {"g?y#s", "http://a/b/c/g?y#s"},
    {";x", "http://a/b/c/;x"},
    {"g;x", "http://a/b/c/g;x"},
    {"g;x?y#s", "http://a/b/c/g;x?y#s"},
    {"", "http://a/b/c/d;p?q"},
    {".", "http://a/b/c/"},
    {"./", "http://a/b/c/"},
    {"..", "http://a/b/"},
    {"../", "http://a/b/"},
    {"../g", "http://a/b/g"},
    {"../..", "http://a/"},
    {"../../", "http://a/"},
    {"../../g", "http://a/g"},
    {"../../../g", "http://a/g"},
    {"../../../../g", "http://a/g"},
    {"/./g", "http://a/g"},
    {"/../g", "http://a/g"},
    {"g.", "http://a/b/c/g."},
    {".g", "http://a/b/c/.g"},
    {"g..", "http://a/b/c/g.."},
    {"..g", "http://a/b/c/..g"},
    {"./../g", "http://a/b/g"},
    {"./g/.", "http://a/b/c/g/"},
    {"g/./h", "http://a/b/c/g/h"},
    {"g/../h", "http://a/b/c/h"},
    {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
    {"g;x=1/../y", "http://a/b/c/y"},
    {"g?y/./x", "http://a/b/c/g?y/./x"},
    {"g?y/../x", "http://a/b/c/g?y/../x"},
    {"g#s/./x", "http://a/b/c/g#s/./x"},
    {"g#s/../x", "http://a/b/c/g#s/../x"},
};

static void check_join(const char *base, const char *reference, const char *expected) {
  char *joined = url_join(base, reference);
  check(joined != NULL && strcmp(joined, expected) == 0, reference);
  memory_free(joined);
}

static void check_joins(void) {
  for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
    check_join("http://a/b/c/d;p?q", examples[i].reference, examples[i].joined);
  }
  check_join("https://hub", "file", "https://hub/file");
  check_join("https://hub", "?x", "https://hub?x");
  check_join("https://hub/a?x=/y/", "b", "https://hub/b");
  check_join("https://hub/a", "//cdn/x/../y", "https://cdn/y");
}

static void check_parts(void) {
  static const char *const bad[] = {"",
                                    "ftp://a",
                                    "http:/a",
                                    "http://",
                                    "https://:443/",
                                    "https://a b/",
                                    "https://a:0/",
                                    "https://u@a/",
                                    "https://u:p@a/",
                                    "https://a:65536/",
                                    "https://[::1/",
                                    "https://[::1]x/",
                                    "https://a\n/",
                                    "https://a\\b/",
                                    "https://a:8x/",
                                    "https://a@[::1]/",
                                    "https://[fe80::1%25eth0]/",
                                    "https://[fe80::1%eth0]/",
                                    "https://[12345]/",
                                    "https://[]/",
                                    "https://127.1/",
                                    "https://2130706433/",
                                    "https://0x7f000001/",
                                    "https://0x7f.0.0.1/",
                                    "https://127.0.0.0x1/",
                                    "https://017700000001/",
                                    "https://0177.0.0.1/",
                                    "https://127.0.0.01/",
                                    "https://127.0.0.1./",
                                    "https://127.0.0.1.5/",
                                    "https://a.5/",
                                    "https://1.2.3.4444/",
                                    "https://%31%32%37.0.0.1/",
                                    "https://127%2e0.0.1/",
                                    "https://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/",
                                    ("https://127\xe3\x80\x82"
                                     "0.0.1/"),
                                    "https://a..b/",
                                    "https://.a/",
                                    "https://a\"b/",
                                    "https://a;b/",
                                    "https://a,b/",
                                    "https://a\r\nX: y/",
                                    "https://a/x\ty"};
  static const char *const good[] = {"https://a.b-c_d.example./x@y?u:p@z#@",
                                     "https://127.0.0.1/",
                                     "https://3com.example/",
                                     "https://a.3x/",
                                     "https://1.2.3.4.example/",
                                     "https://[::ffff:1.2.3.4]/"};
  Url url;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) check(!url_parse(bad[i], &url), bad[i]);
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    check(url_parse(good[i], &url), good[i]);
  }
  check(url_parse("https://[2001:db8::1]:8443/x?y", &url) && url.secure && url.port == 8443 &&
            url.host_length == 11 && strcmp(url.path, "/x?y") == 0,
        "an IPv6 address");
  check(url_parse("HTTP://Hub.example", &url) && !url.secure && url.port == 80 &&
            url_host_is(&url, "hub.EXAMPLE") && *url.path == '\0',
        "letters of any case");
  check(url_same_origin("https://a/x", "https://A:443/y"), "the usual port is the same origin");
  check(!url_same_origin("https://a/x", "http://a:443/x"), "another scheme is another origin");
  check(!url_same_origin("https://a/x", "https://a:444/x") &&
            !url_same_origin("https://a/", "https://a.b/"),
        "other ports and hosts");
  char *escaped = url_escape("a b/c%d~\xc3\xa9", true);
  check(escaped != NULL && strcmp(escaped, "a%20b/c%25d~%C3%A9") == 0, "escapes, but no slashes");
  memory_free(escaped);
  escaped = url_escape("refs/pr/1", false);
  check(escaped != NULL && strcmp(escaped, "refs%2Fpr%2F1") == 0, "escapes, slashes too");
  memory_free(escaped);
}

static void check_addresses(void) {
  static const char *const special[] = {"0.0.0.0",
                                        "10.1.2.3",
                                        "100.64.0.1",
                                        "100.127.255.255",
                                        "127.0.0.1",
                                        "127.255.255.254",
                                        "169.254.169.254",
                                        "172.16.0.1",
                                        "172.31.255.255",
                                        "192.0.0.8",
                                        "192.0.2.1",
                                        "192.168.1.1",
                                        "198.18.0.1",
                                        "198.19.255.255",
                                        "198.51.100.7",
                                        "203.0.113.9",
                                        "224.0.0.1",
                                        "240.0.0.1",
                                        "255.255.255.255",
                                        "::",
                                        "::1",
                                        "::127.0.0.1",
                                        "::ffff:10.0.0.1",
                                        "::ffff:7f00:1",
                                        "fe80::1",
                                        "fe80::1%eth0",
                                        "fc00::1",
                                        "fd12:3456::1",
                                        "ff02::1",
                                        "64:ff9b::10.0.0.1",
                                        "64:ff9b:1::1",
                                        "2002:7f00:1::",
                                        "2002:a00:1::1",
                                        "2001::1",
                                        "2001:db8::1",
                                        "100::1",
                                        "fec0::1"};
  static const char *const public[] = {
      "1.1.1.1",        "8.8.8.8",          "9.255.255.255",
      "11.0.0.0",       "100.63.255.255",   "100.128.0.0",
      "126.1.1.1",      "128.0.0.1",        "169.253.1.1",
      "172.15.255.255", "172.32.0.0",       "192.167.1.1",
      "192.169.1.1",    "198.17.1.1",       "198.20.0.0",
      "223.255.255.1",  "2606:4700::1111",  "2a00:1450:4001:80e::200e",
      "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
      "2400:cb00::1"};
  static const char *const none[] = {"",
                                     "1.2.3",
                                     "1.2.3.4.5",
                                     "256.1.1.1",
                                     "1..2.3",
                                     "1.2.3.",
                                     "0x7f.0.0.1",
                                     "1234",
                                     ":",
                                     ":::",
                                     "1:2:3:4:5:6:7",
                                     "1:2:3:4:5:6:7:8:9",
                                     "1::2::3",
                                     "12345::",
                                     "g::",
                                     "::1.2.3",
                                     "1:2:3:4:5:6:7:1.2.3.4",
                                     "1:2:3:4:5:6:7:8::",
                                     "1:"};
  unsigned char bytes[IP_V6_SIZE];
  for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
    size_t size = ip_parse(special[i], strlen(special[i]), bytes);
    check(size > 0 && ip_is_special(bytes, size), special[i]);
    check(ip_host_is_special(special[i], strlen(special[i])), special[i]);
  }
  for (size_t i = 0; i < sizeof public / sizeof public[0]; i++) {
    size_t size = ip_parse(public[i], strlen(public[i]), bytes);
    check(size > 0 && !ip_is_special(bytes, size), public[i]);
  }
  for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
    check(ip_parse(none[i], strlen(none[i]), bytes) == 0, none[i]);
  check(ip_parse("1:2::7:8", 8, bytes) == IP_V6_SIZE &&
            memcmp(bytes, "\0\1\0\2\0\0\0\0\0\0\0\0\0\7\0\10", IP_V6_SIZE) == 0,
        "the groups of an address");
  check(ip_is_special(bytes, 0) && ip_is_special(bytes, 5), "what is no address is not public");
  check(ip_host_is_loopback("LocalHost", 9) && ip_host_is_loopback("a.localhost.", 12) &&
            ip_host_is_loopback("127.9.9.9", 9) && ip_host_is_loopback("::1", 3) &&
            ip_host_is_loopback("::ffff:127.0.0.1", 16),
        "this machine");
  check(!ip_host_is_loopback("notlocalhost", 12) && !ip_host_is_loopback("10.0.0.1", 8) &&
            !ip_host_is_loopback("localhost.evil.com", 18),
        "other machines");
}

static bool exempt(const char *list, const char *host) {
  return proxy_is_exempt(list, host, strlen(host));
}

static char *proxy_for(const char *address) {
  Url url;
  char *proxy = NULL;
  check(url_parse(address, &url) && proxy_find(&url, &proxy), address);
  return proxy;
}

static void check_proxy(const char *address, const char *expected) {
  char *proxy = proxy_for(address);
  check(expected == NULL ? proxy == NULL : proxy != NULL && strcmp(proxy, expected) == 0, address);
  memory_free(proxy);
}

static void check_proxies(void) {
  static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                      "ALL_PROXY",  "no_proxy",    "NO_PROXY",    "HTTP_PROXY"};
  check(exempt("*", "a.b") && exempt("b.c, a.b", "x.a.b") && exempt(".a.b", "a.b") &&
            exempt("A.b.", "a.B."),
        "who needs no proxy");
  check(
      !exempt("", "a") && !exempt("a.b", "xa.b") && !exempt("x.a.b", "a.b") && !exempt(",., ", "a"),
      "who does");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
  check_proxy("https://a/", NULL);
  setenv("HTTP_PROXY", "http://capitals", 1);
  check_proxy("http://a/", NULL);
  setenv("ALL_PROXY", "socks5h://all", 1);
  setenv("https_proxy", "http://p:3128", 1);
  check_proxy("https://a/", "http://p:3128");
  check_proxy("http://a/", "socks5h://all");
  setenv("NO_PROXY", "a,10.0.0.1", 1);
  check_proxy("https://x.a:8443/", NULL);
  check_proxy("https://10.0.0.1/", NULL);
  check_proxy("https://b/", "http://p:3128");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
}

static void check_waits(void) {
  const int64_t moment = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
  check(http_wait_retry_after("120\r\n", 0) == 120 && http_wait_retry_after("0", 9) == 0,
        "seconds");
  check(http_wait_retry_after("Sun, 06 Nov 1994 08:49:37 GMT\r\n", moment - 7) == 7, "a date");
  check(http_wait_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", moment + 7) == 0,
        "a date that has passed");
  check(http_wait_retry_after("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800) == 0 &&
            http_wait_retry_after("Thu, 29 Feb 2024 00:00:00 GMT", 1709164799) == 1,
        "a leap day");
  check(http_wait_retry_after("soon", 0) < 0 && http_wait_retry_after("Sun, 6 Nov 94", 0) < 0 &&
            http_wait_retry_after("", 0) < 0 && http_wait_retry_after("-1", 0) < 0,
        "neither");
  check(http_wait_retry_after("99999999999999999999", 0) > 1000000, "a number that is too large");
  check(http_wait_rate_limit("\"resolvers\";r=0;t=52\r\n") == 52 &&
            http_wait_rate_limit("\"api\"; r=0; t=1") == 1,
        "a quota that is used up");
  check(http_wait_rate_limit("\"api\";r=3;t=52") < 0 && http_wait_rate_limit("\"api\"") < 0 &&
            http_wait_rate_limit("\"a\"\r\nx;r=0;t=5") < 0,
        "a quota with something left");
}

int main(void) {
  check_joins();
  check_parts();
  check_addresses();
  check_proxies();
  check_waits();
  return finish();
}
