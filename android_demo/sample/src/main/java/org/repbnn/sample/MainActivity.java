package org.repbnn.sample;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.Intent;
import android.graphics.Bitmap;
import android.net.Uri;
import android.os.Bundle;
import android.provider.MediaStore;
import android.view.View;
import android.widget.Toast;
import java.io.IOException;
import java.util.Collections;
import java.util.List;

/** The one screen: a picture, what the network sees in it, how fast, and what network and phone are. */
public final class MainActivity extends Activity implements Session.Listener {
    static final int FROM_GALLERY = 1;
    static final int FROM_CAMERA = 2;

    private Session session;
    private Screen screen;

    /** For tests: what the screen shows. */
    Session session() {
        return session;
    }

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.main);
        session = (Session) getLastNonConfigurationInstance();
        boolean fresh = session == null;
        if (fresh) session = new Session(this);
        session.attach(this);
        screen = new Screen(this, session, examples());
        connect();
        if (fresh) {
            if (!screen.examples.isEmpty()) session.lookAtExample(screen.examples.get(0));
            session.load();
        }
        onSessionChanged();
    }

    private List<String> examples() {
        try {
            return Pictures.examples(getAssets());
        } catch (IOException none) {
            return Collections.emptyList();
        }
    }

    private void connect() {
        findViewById(R.id.gallery).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                Intent choose = new Intent(Intent.ACTION_GET_CONTENT).setType("image/*");
                choose.addCategory(Intent.CATEGORY_OPENABLE);
                ask(choose, FROM_GALLERY);
            }
        });
        findViewById(R.id.camera).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                ask(new Intent(MediaStore.ACTION_IMAGE_CAPTURE), FROM_CAMERA);
            }
        });
        findViewById(R.id.retry).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                session.load();
            }
        });
        findViewById(R.id.measure).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                if (session.measuring.running) {
                    session.measuring.stop();
                } else {
                    session.measuring.start();
                }
            }
        });
        findViewById(R.id.share).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                share();
            }
        });
    }

    private void ask(Intent intent, int code) {
        try {
            startActivityForResult(intent, code);
        } catch (ActivityNotFoundException | SecurityException nobody) {
            Toast.makeText(this, R.string.no_app, Toast.LENGTH_LONG).show();
        }
    }

    private void share() {
        if (session.measuring.report == null) return;
        try {
            Uri report = ReportProvider.keep(this, session.measuring.report.json.toString());
            Intent send = new Intent(Intent.ACTION_SEND).setType(ReportProvider.TYPE);
            send.putExtra(Intent.EXTRA_STREAM, report);
            send.addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION);
            startActivity(Intent.createChooser(send, getString(R.string.share)));
        } catch (IOException full) {
            Toast.makeText(this, full.getMessage(), Toast.LENGTH_LONG).show();
        }
    }

    @SuppressWarnings("deprecation") // what takes its place came with Android 13
    @Override
    protected void onActivityResult(int code, int result, Intent data) {
        super.onActivityResult(code, result, data);
        if (result != RESULT_OK || data == null) return;
        if (code == FROM_GALLERY && data.getData() != null) session.lookAtUri(data.getData());
        if (code == FROM_CAMERA && data.getExtras() != null) {
            Object taken = data.getExtras().get("data");
            if (taken instanceof Bitmap) session.lookAtPicture((Bitmap) taken);
        }
    }

    @Override
    public void onSessionChanged() {
        screen.show();
    }

    @Override
    public Object onRetainNonConfigurationInstance() {
        return session;
    }

    @Override
    protected void onDestroy() {
        super.onDestroy();
        if (isChangingConfigurations()) {
            session.detach();
        } else {
            session.end();
        }
    }
}
