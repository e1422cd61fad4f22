import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.Random;
import java.util.Scanner;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Jobs for java.net.http, a JSON object a line on standard input; results the same way on standard output. */
public class Client {
    static final HttpClient HTTP = HttpClient.newHttpClient();

    record Result(int code, String reason, boolean clean, String error) {}

    public static void main(String[] args) {
        ExecutorService pool = Executors.newCachedThreadPool(r -> {
            Thread t = new Thread(r);
            t.setDaemon(true);
            return t;
        });
        for (Scanner in = new Scanner(System.in); in.hasNextLine(); ) {
            String job = in.nextLine();
            pool.submit(() -> {
                Result r = run(job);
                System.out.printf("{\"id\":%s,\"code\":%d,\"reason\":%s,\"clean\":%b,\"error\":%s}%n",
                        field(job, "id"), r.code, quote(r.reason), r.clean, quote(r.error));
            });
        }
    }

    static Result run(String job) {
        CompletableFuture<Result> end = new CompletableFuture<>();
        long stall = field(job, "kind").equals("stall") ? Long.parseLong(field(job, "stallMs")) : 0;
        WebSocket ws = null;
        try {
            ws = HTTP.newWebSocketBuilder().buildAsync(URI.create(field(job, "url")), new WebSocket.Listener() {
                public void onOpen(WebSocket ws) {
                    CompletableFuture.delayedExecutor(stall, TimeUnit.MILLISECONDS).execute(() -> ws.request(1));
                }

                public CompletionStage<?> onClose(WebSocket ws, int code, String reason) {
                    end.complete(new Result(code, reason, code != 1006, ""));
                    return null;
                }

                public void onError(WebSocket ws, Throwable e) {
                    end.complete(new Result(0, "", false, e.toString()));
                }
            }).get(Long.parseLong(field(job, "timeoutMs")), TimeUnit.MILLISECONDS);
            send(ws, job, end);
            return end.get(Long.parseLong(field(job, "timeoutMs")), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            ws.abort();
            return new Result(0, "", false, "no close in time");
        } catch (Exception e) {
            return new Result(0, "", false, e.toString());
        }
    }

    static void send(WebSocket ws, String job, CompletableFuture<Result> end) {
        switch (field(job, "kind")) {
            case "upload" -> ws.sendBinary(bytes(Integer.parseInt(field(job, "size"))), true);
            case "flood" -> flood(ws, bytes(64 * 1024), end);
            default -> ws.sendText("go", true);
        }
    }

    static void flood(WebSocket ws, ByteBuffer message, CompletableFuture<Result> end) {
        if (!end.isDone()) {
            ws.sendBinary(message.duplicate(), true).thenRunAsync(() -> flood(ws, message, end));
        }
    }

    static ByteBuffer bytes(int size) {
        byte[] b = new byte[size];
        new Random(1).nextBytes(b);
        return ByteBuffer.wrap(b);
    }

    /** A value of a flat object without escapes. */
    static String field(String json, String name) {
        Matcher m = Pattern.compile("\"" + name + "\":(?:\"([^\"]*)\"|([0-9]+))").matcher(json);
        if (!m.find()) {
            throw new IllegalArgumentException(name + " is missing: " + json);
        }
        return m.group(1) != null ? m.group(1) : m.group(2);
    }

    static String quote(String s) {
        return "\"" + s.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ") + "\"";
    }
}
