package org.repbnn.sample;

import android.content.Context;
import android.graphics.Bitmap;
import android.net.Uri;
import android.os.Handler;
import android.os.Looper;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * What the screen shows, and the one thread that works for it. It outlives the activity when the phone is turned; all
 * of its fields belong to the main thread.
 */
final class Session {
    /** The screen, while there is one. */
    interface Listener {
        /** Something of the session has changed. */
        void onSessionChanged();
    }

    /** Something that takes a while and ends in a picture. */
    private interface Decoder {
        Bitmap decode() throws IOException;
    }

    static final String MODEL = "model.tflite";
    static final String TWIN = "twin.tflite";

    /** Replaced by tests. */
    static Network.Source source = ClassifierNetwork.SOURCE;

    final Measuring measuring;
    Network network;
    Network twin;
    String error;
    String notice;
    Bitmap picture;
    String pictureName = "";
    Look result;
    Look twinResult;

    private final Context context;
    private final Handler main = new Handler(Looper.getMainLooper());
    private final ExecutorService worker = Executors.newSingleThreadExecutor();
    private Listener listener;
    private boolean ended;

    Session(Context context) {
        this.context = context.getApplicationContext();
        measuring = new Measuring(this.context, this);
    }

    void attach(Listener screen) {
        listener = screen;
    }

    /** The activity is gone; what is running goes on and finds nobody to tell. */
    void detach() {
        listener = null;
    }

    /** Frees everything, behind what is still running. */
    void end() {
        ended = true;
        listener = null;
        measuring.stop();
        worker.execute(new Runnable() {
            @Override
            public void run() {
                if (network != null) network.close();
                if (twin != null) twin.close();
            }
        });
        worker.shutdown();
    }

    /** Opens the networks, then looks at the picture that is there. */
    void load() {
        error = null;
        notice = null;
        submit(new Runnable() {
            @Override
            public void run() {
                try {
                    loaded(source.open(context, MODEL), openTwin());
                } catch (FileNotFoundException missing) {
                    failed(context.getString(R.string.error_missing));
                } catch (IOException | RuntimeException | OutOfMemoryError problem) {
                    failed(sentence(problem));
                }
            }
        });
        changed();
    }

    /** A twin is an extra: without one, or with a broken one, there is no comparison. */
    private Network openTwin() {
        try {
            return source.open(context, TWIN);
        } catch (IOException | RuntimeException | OutOfMemoryError absent) {
            return null;
        }
    }

    private void loaded(final Network opened, final Network openedTwin) {
        post(new Runnable() {
            @Override
            public void run() {
                network = opened;
                twin = openedTwin;
                classify();
            }
        });
    }

    /** Looks at one of the examples. */
    void lookAtExample(final String example) {
        look(Pictures.nameOf(example), new Decoder() {
            @Override
            public Bitmap decode() throws IOException {
                return Pictures.example(context.getAssets(), example);
            }
        });
    }

    /** Looks at what the gallery gave. */
    void lookAtUri(final Uri uri) {
        look("", new Decoder() {
            @Override
            public Bitmap decode() throws IOException {
                return Pictures.shared(context.getContentResolver(), uri);
            }
        });
    }

    /** Looks at what the camera gave. */
    void lookAtPicture(final Bitmap taken) {
        look("", new Decoder() {
            @Override
            public Bitmap decode() {
                return taken;
            }
        });
    }

    private void look(final String name, final Decoder decoder) {
        notice = null;
        submit(new Runnable() {
            @Override
            public void run() {
                Bitmap decoded;
                try {
                    decoded = decoder.decode();
                } catch (IOException | RuntimeException | OutOfMemoryError problem) {
                    noticed(problem instanceof OutOfMemoryError ? R.string.error_memory : R.string.picture_broken);
                    return;
                }
                show(name, decoded);
            }
        });
    }

    private void show(final String name, final Bitmap decoded) {
        post(new Runnable() {
            @Override
            public void run() {
                picture = decoded;
                pictureName = name;
                result = null;
                twinResult = null;
                classify();
            }
        });
    }

    private void classify() {
        changed();
        if (picture == null || network == null) return;
        final Bitmap seen = picture;
        final Network first = network;
        final Network second = twin;
        submit(new Runnable() {
            @Override
            public void run() {
                try {
                    classified(seen, Look.at(seen, first), second == null ? null : Look.at(seen, second));
                } catch (RuntimeException | OutOfMemoryError problem) {
                    failed(sentence(problem));
                }
            }
        });
    }

    private void classified(final Bitmap seen, final Look ours, final Look twins) {
        post(new Runnable() {
            @Override
            public void run() {
                if (picture != seen) return; // another picture was chosen meanwhile
                error = null;
                result = ours;
                twinResult = twins;
                changed();
            }
        });
    }

    private void failed(final String sentence) {
        post(new Runnable() {
            @Override
            public void run() {
                error = sentence;
                changed();
            }
        });
    }

    private void noticed(final int text) {
        post(new Runnable() {
            @Override
            public void run() {
                notice = context.getString(text);
                changed();
            }
        });
    }

    private String sentence(Throwable problem) {
        if (problem instanceof OutOfMemoryError) return context.getString(R.string.error_memory);
        String message = problem.getMessage();
        return message != null ? message : context.getString(R.string.error_other, problem.getClass().getSimpleName());
    }

    /** On the worker, one thing after the other. */
    void submit(Runnable work) {
        if (!ended) worker.execute(work);
    }

    /** On the main thread, unless the session has ended. */
    void post(final Runnable work) {
        main.post(new Runnable() {
            @Override
            public void run() {
                if (!ended) work.run();
            }
        });
    }

    void changed() {
        if (listener != null) listener.onSessionChanged();
    }
}
