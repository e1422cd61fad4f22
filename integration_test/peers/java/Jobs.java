import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.security.cert.X509Certificate;
import java.util.Random;
import java.util.Scanner;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Runs WebSocket jobs for java.net.http: one JSON object per line on standard input, one JSON result per line on
 * standard output. job.go says what is in both objects; there is at most one text. The JDK has no wasClean.
 */
public class Jobs {
    static final PrintStream OUT = new PrintStream(System.out, true, UTF_8);

    public static void main(String[] args) throws Exception {
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, new TrustManager[] {new Anyone()}, null);
        HttpClient http = HttpClient.newBuilder().sslContext(tls).build();
        ExecutorService pool = Executors.newCachedThreadPool(r -> {
            Thread t = new Thread(r);
            t.setDaemon(true);
            return t;
        });
        for (Scanner in = new Scanner(System.in, UTF_8); in.hasNextLine(); ) {
            String job = in.nextLine();
            pool.submit(() -> OUT.println(new Result(job).run(http)));
        }
    }

    /** What the client sees in one job. */
    static class Result implements WebSocket.Listener {
        static final String KINDS = "text|close|upload|flood|stall";
        final String job, kind;
        final CompletableFuture<Void> closed = new CompletableFuture<>();
        final StringBuilder messages = new StringBuilder();
        int answers;
        boolean opened, gotClose;
        int code;
        String reason = "", error = "";

        Result(String job) {
            this.job = job;
            this.kind = field("kind", "");
            this.answers = Integer.parseInt(field("answers", "0"));
        }

        String run(HttpClient http) {
            long start = System.nanoTime();
            try {
                if (!kind.matches(KINDS)) {
                    throw new IllegalArgumentException(kind + " is not a kind of job: " + KINDS);
                }
                WebSocket ws = http.newWebSocketBuilder().buildAsync(URI.create(field("url", "")), this).join();
                String text = field("texts", "");
                if (!text.isEmpty()) {
                    ws.sendText(text, true).join();
                }
                switch (kind) {
                    case "upload" -> ws.sendBinary(bytes(Integer.parseInt(field("size", ""))), true);
                    case "flood" -> flood(ws, bytes(64 * 1024));
                }
                closed.orTimeout(Long.parseLong(field("timeoutMs", "")), TimeUnit.MILLISECONDS)
                        .whenComplete((end, late) -> {
                            if (late != null) {
                                ws.abort();
                            }
                        })
                        .join();
            } catch (CompletionException e) {
                note(e.getCause());
            } catch (Exception e) {
                note(e);
            }
            return String.format(
                    "{\"id\":%s,\"opened\":%b,\"closed\":%b,\"code\":%d,\"reason\":%s,\"error\":%s,\"messages\":[%s],\"ms\":%d}",
                    field("id", ""), opened, gotClose, code, quote(reason), quote(error), messages,
                    (System.nanoTime() - start) / 1_000_000);
        }

        void flood(WebSocket ws, ByteBuffer message) {
            if (!closed.isDone()) {
                ws.sendBinary(message.duplicate(), true).thenRunAsync(() -> flood(ws, message));
            }
        }

        void note(Throwable e) {
            if (error.isEmpty()) {
                error = e.getClass().getSimpleName() + ": " + e.getMessage();
            }
        }

        @Override
        public void onOpen(WebSocket ws) {
            opened = true;
            long stall = kind.equals("stall") ? Long.parseLong(field("stallMs", "")) : 0;
            CompletableFuture.delayedExecutor(stall, TimeUnit.MILLISECONDS).execute(() -> ws.request(1));
        }

        @Override
        public CompletionStage<?> onText(WebSocket ws, CharSequence text, boolean last) {
            messages.append(messages.length() == 0 ? "" : ",").append(quote(text.toString()));
            if (--answers == 0) {
                close(ws);
            }
            ws.request(1);
            return null;
        }

        /** There is no close without a code: 1000 stands in, also for a refused one. */
        void close(WebSocket ws) {
            ws.sendClose(Integer.parseInt(field("code", "1000")), field("reason", "")).whenComplete((sent, e) -> {
                if (e != null) {
                    note(e);
                    ws.sendClose(1000, "");
                }
            });
        }

        @Override
        public CompletionStage<?> onClose(WebSocket ws, int code, String reason) {
            gotClose = true;
            this.code = code;
            this.reason = reason;
            closed.complete(null);
            return null;
        }

        @Override
        public void onError(WebSocket ws, Throwable e) {
            note(e);
            closed.complete(null);
        }

        /** A value of a flat object without escapes, or the only one of an array. */
        String field(String name, String otherwise) {
            Matcher m = Pattern.compile("\"" + name + "\":\\[?(?:\"([^\"]*)\"|([0-9]+))").matcher(job);
            return !m.find() ? otherwise : m.group(1) != null ? m.group(1) : m.group(2);
        }
    }

    /** The same ones each time, which no compression makes smaller. */
    static ByteBuffer bytes(int size) {
        byte[] b = new byte[size];
        new Random(1).nextBytes(b);
        return ByteBuffer.wrap(b);
    }

    static String quote(String s) {
        return "\"" + s.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ") + "\"";
    }

    /** Test servers sign their own certificates. */
    static class Anyone extends X509ExtendedTrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String type) {}

        public void checkClientTrusted(X509Certificate[] chain, String type, java.net.Socket socket) {}

        public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

        public void checkServerTrusted(X509Certificate[] chain, String type) {}

        public void checkServerTrusted(X509Certificate[] chain, String type, java.net.Socket socket) {}

        public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
