package org.repbnn.sample;

import android.app.Activity;
import android.graphics.Bitmap;
import android.graphics.drawable.BitmapDrawable;
import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.widget.Button;
import android.widget.ImageView;
import android.widget.LinearLayout;
import android.widget.ProgressBar;
import android.widget.TextView;
import java.io.IOException;
import java.text.NumberFormat;
import java.util.List;
import org.repbnn.Classification;

/** Puts a session on the screen. All of it is drawn again from the session whenever something changes. */
final class Screen {
    private static final int SHOWN = 5;
    private static final int BAR = 1000;

    final List<String> examples;
    private final Activity activity;
    private final Session session;
    private final LayoutInflater inflater;
    private final LinearLayout scores;
    private final FactCards facts;

    Screen(Activity activity, Session session, List<String> examples) {
        this.activity = activity;
        this.session = session;
        this.examples = examples;
        inflater = activity.getLayoutInflater();
        scores = activity.findViewById(R.id.scores);
        facts = new FactCards(activity);
        facts.showPhone();
        for (int i = 0; i < SHOWN; i++) scores.addView(inflater.inflate(R.layout.score, scores, false));
        addExamples();
    }

    private void addExamples() {
        LinearLayout strip = activity.findViewById(R.id.examples);
        int side = activity.getResources().getDimensionPixelSize(R.dimen.thumbnail);
        int gap = activity.getResources().getDimensionPixelSize(R.dimen.gap) / 2;
        for (final String example : examples) {
            ImageView thumbnail = new ImageView(activity);
            thumbnail.setBackgroundResource(R.drawable.rounded);
            thumbnail.setForeground(activity.getDrawable(R.drawable.thumbnail));
            thumbnail.setClipToOutline(true);
            thumbnail.setScaleType(ImageView.ScaleType.CENTER_CROP);
            thumbnail.setContentDescription(activity.getString(R.string.example, Pictures.nameOf(example)));
            thumbnail.setTag(Pictures.nameOf(example));
            thumbnail.setOnClickListener(new View.OnClickListener() {
                @Override
                public void onClick(View view) {
                    session.lookAtExample(example);
                }
            });
            try {
                Bitmap picture = Pictures.example(activity.getAssets(), example);
                BitmapDrawable drawable = new BitmapDrawable(activity.getResources(), picture);
                thumbnail.setImageDrawable(drawable);
            } catch (IOException unreadable) {
                continue;
            }
            LinearLayout.LayoutParams place = new LinearLayout.LayoutParams(side, side);
            place.setMarginEnd(gap);
            strip.addView(thumbnail, place);
        }
    }

    void show() {
        showError();
        showPicture();
        showResult();
        showSpeed();
        facts.showNetwork(session.network);
    }

    private void showError() {
        String text = session.error != null ? session.error : session.notice;
        visible(R.id.error_card, text != null);
        visible(R.id.retry, session.error != null);
        text(R.id.error_text, text == null ? "" : text);
        text(R.id.error_title,
                activity.getString(session.error != null ? R.string.error_title : R.string.picture_title));
        visible(R.id.result_card, session.error == null);
        visible(R.id.speed_card, session.network != null && session.error == null);
    }

    private void showPicture() {
        SquareImageView view = activity.findViewById(R.id.picture);
        if (session.picture != null) view.show(session.picture);
        view.setContentDescription(session.pictureName.isEmpty()
                ? activity.getString(R.string.picture)
                : activity.getString(R.string.picture_of, session.pictureName));
        ViewGroup strip = activity.findViewById(R.id.examples);
        for (int i = 0; i < strip.getChildCount(); i++) {
            View child = strip.getChildAt(i);
            child.setSelected(session.pictureName.equals(child.getTag()));
        }
    }

    private void showResult() {
        boolean there = session.result != null;
        scores.setVisibility(there ? View.VISIBLE : View.GONE);
        visible(R.id.latency_caption, there);
        visible(R.id.twin_caption, there && session.twinResult != null);
        if (!there) {
            text(R.id.latency, activity.getString(R.string.looking));
            return;
        }
        List<Classification> best = session.result.classifications;
        for (int i = 0; i < SHOWN; i++) showScore(scores.getChildAt(i), i < best.size() ? best.get(i) : null, i == 0);
        double ours = session.result.milliseconds;
        int runs = session.result.runs;
        String name = session.network.metadata().getName();
        text(R.id.latency, activity.getString(R.string.latency, digits(ours)));
        text(R.id.latency_caption,
                activity.getResources().getQuantityString(R.plurals.latency_caption, runs, name, runs));
        if (session.twinResult == null) return;
        double twins = session.twinResult.milliseconds;
        String other = session.twin.metadata().getName();
        boolean named = !other.isEmpty() && !other.equals(name);
        text(R.id.twin_caption, activity.getString(R.string.twin_caption,
                named ? other : activity.getString(R.string.twin), digits(twins), digits(twins / ours)));
    }

    private void showScore(View row, Classification classification, boolean best) {
        row.setVisibility(classification == null ? View.GONE : View.VISIBLE);
        if (classification == null) return;
        String percent = NumberFormat.getPercentInstance().format(classification.getScore());
        ((TextView) row.findViewById(R.id.label)).setText(classification.getLabel());
        ((TextView) row.findViewById(R.id.percent)).setText(percent);
        ProgressBar bar = row.findViewById(R.id.bar);
        bar.setProgressDrawable(activity.getDrawable(best ? R.drawable.bar_best : R.drawable.bar_other));
        bar.setProgress(Math.round(BAR * classification.getScore()));
        row.setContentDescription(activity.getString(R.string.score, classification.getLabel(), percent));
    }

    private void showSpeed() {
        Measuring measuring = session.measuring;
        BenchReport report = measuring.report;
        visible(R.id.speed_progress, measuring.running);
        visible(R.id.speed_figure, report != null);
        visible(R.id.speed_verdict, report != null);
        visible(R.id.share, report != null);
        text(R.id.speed_text, speedText(measuring));
        Button button = activity.findViewById(R.id.measure);
        button.setText(measuring.running ? R.string.stop : report == null ? R.string.measure : R.string.measure_again);
        button.setContentDescription(
                activity.getString(measuring.running ? R.string.stop_action : R.string.measure_action));
        ((ProgressBar) activity.findViewById(R.id.speed_progress)).setProgress(Math.round(BAR * measuring.share));
        if (report == null) return;
        text(R.id.speed_figure, activity.getString(R.string.latency, digits(report.latency.median)));
        boolean conclusive = report.verdict.reasons.isEmpty();
        TextView verdict = activity.findViewById(R.id.speed_verdict);
        verdict.setText(conclusive
                ? activity.getString(R.string.conclusive)
                : activity.getString(R.string.inconclusive, details(report.verdict)));
        verdict.setTextColor(activity.getColor(conclusive ? R.color.good : R.color.caution));
    }

    private String speedText(Measuring measuring) {
        if (measuring.running) return activity.getString(R.string.measuring, measuring.repeat, Measuring.REPEATS);
        if (measuring.problem != null) return activity.getString(R.string.error_other, measuring.problem);
        if (measuring.stopped) return activity.getString(R.string.stopped);
        if (measuring.report == null) return activity.getString(R.string.speed_explained);
        Statistics found = measuring.report.latency;
        return activity.getString(R.string.median, found.runs, digits(found.low), digits(found.high));
    }

    private static String details(Verdict verdict) {
        StringBuilder text = new StringBuilder();
        for (Verdict.Reason reason : verdict.reasons) {
            if (text.length() > 0) text.append("; ");
            text.append(reason.detail);
        }
        return text.toString();
    }

    /** Three digits that count. */
    private static String digits(double value) {
        NumberFormat format = NumberFormat.getNumberInstance();
        int whole = value >= 1 ? (int) Math.floor(Math.log10(value)) + 1 : 0;
        format.setMaximumFractionDigits(Math.max(0, 3 - whole));
        format.setMinimumFractionDigits(Math.max(0, 3 - whole));
        return format.format(value);
    }

    private void text(int id, CharSequence text) {
        TextView view = activity.findViewById(id);
        if (!text.toString().contentEquals(view.getText())) view.setText(text); // said aloud only when it changes
    }

    private void visible(int id, boolean shown) {
        activity.findViewById(id).setVisibility(shown ? View.VISIBLE : View.GONE);
    }
}
