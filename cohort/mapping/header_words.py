"""The words of column headers in seven languages: the one list by which `osteolens cohort check` proposes columns.

Words are compared without case, accents, blanks and punctuation, and the longest one counts: `Pat.-Nr.`, `pat nr` and
`PatNr` are one. Phrases of a language are parted by commas.
"""

from __future__ import annotations

from collections.abc import Mapping

HEADER_LANGUAGES = ("English", "German", "French", "Spanish", "Portuguese", "Chinese", "Japanese")

HEADER_WORDS: Mapping[str, tuple[str, ...]] = {
    "patient_id": (
        "patient id, patient identifier, patient number, patient no, patient nr, pat id, pat no, pat nr, pid, mrn, "
        "medical record number, hospital number, hospital no, subject id",
        "patienten id, patientennummer, patientennr, patienten nr, patientenkennung, patienten kennung",
        "id patient, numero patient, numero de patient, no patient, n patient, n de patient, identifiant patient, "
        "identifiant du patient, ipp",
        "id paciente, id del paciente, numero de paciente, numero paciente, no paciente, n paciente, codigo paciente, "
        "codigo de paciente, no de historia, n de historia, "
        "numero de historia, historia clinica, numero de historia clinica, numero historia clinica, nhc",
        "id do paciente, numero do paciente, no do paciente, codigo do paciente, prontuario, numero do prontuario",
        "患者编号, 患者id, 患者号, 病人编号, 病人id, 病人号, 病历号, 病案号, 住院号, 门诊号, 登记号, 患者編號",
        "患者番号, 患者id, 診察券番号, カルテ番号",
    ),
    "study_uid": (
        "study uid, study instance uid",
        "studien uid, untersuchungs uid",
        "uid etude, uid de l etude",
        "uid estudio, uid del estudio",
        "uid estudo, uid do estudo",
        "检查uid",
        "検査uid",
    ),
    "accession_number": (
        "accession number, accession no, accession, acc no, acc number",
        "auftragsnummer, auftragsnr, auftrags nr, anforderungsnummer, untersuchungsnummer, untersuchungsnr",
        "numero d examen, numero examen, numero d accession",
        "numero de acceso, numero de accesion, numero de estudio",
        "numero de acesso, numero do exame",
        "检查号, 检查编号, 影像号, 申请单号, 放射号",
        "検査番号, 受付番号, オーダー番号",
    ),
    "any_id": (
        "id, no, nr, number, code, identifier, case, case id, case number, case no, study id, patient, subject",
        "nummer, kennung, fall, fallnummer, fall nr, pseudonym, studien id",
        "numero, identifiant, code patient, dossier, numero de dossier",
        "identificador, codigo, paciente, caso",
        "identificacao, registro, registo, processo",
        "编号, 号码, 患者, 病人, 病例号, 研究编号",
        "番号, 症例番号, 症例",
    ),
    "age_years": (
        "age, age at exam, age at scan, age at study",
        "alter, patientenalter, lebensalter",
        "age du patient",
        "edad",
        "idade",
        "年龄, 周岁, 年齡",
        "年齢",
    ),
    "birth_date": (
        "birth date, date of birth, birthdate, dob, birthday",
        "geburtsdatum, geb datum, geburtstag, geboren, geboren am, geb, geb am",
        "date de naissance, date naissance, naissance, ne le, nee le, ddn",
        "fecha de nacimiento, fecha nacimiento, fecha nac, f nacimiento, nacimiento",
        "data de nascimento, data nascimento, data nasc, nascimento",
        "出生日期, 出生年月日, 出生年月, 生日",
        "生年月日, 誕生日",
    ),
    "sex": (
        "sex, gender, m/f, f/m",
        "geschlecht, m/w, w/m",
        "sexe, genre, h/f, f/h",
        "sexo, genero",
        "genero, sexo",
        "性别, 性別",
        "性別",
    ),
    "height_cm": (
        "height, body height, stature, ht",
        "grosse, groesse, korpergrosse, koerpergroesse, korperhohe",
        "taille",
        "talla, estatura, altura",
        "altura, estatura",
        "身高",
        "身長",
    ),
    "weight_kg": (
        "weight, body weight, wt",
        "gewicht, korpergewicht, koerpergewicht",
        "poids, poids corporel",
        "peso, peso corporal",
        "peso, massa corporal",
        "体重, 體重",
        "体重",
    ),
    "bmi_kg_m2": (
        "bmi, body mass index",
        "korpermasseindex, body mass index",
        "imc, indice de masse corporelle",
        "imc, indice de masa corporal",
        "imc, indice de massa corporal",
        "体重指数, 体质指数, 身体质量指数",
        "体格指数",
    ),
    "t_score": (
        "t score, t scores, t value, t",
        "t wert, t werte",
        "score t, t score",
        "puntuacion t, indice t, valor t",
        "escore t, indice t, valor t",
        "t值, t评分, t值评分, t分数",
        "tスコア, t値",
    ),
    "z_score": (
        "z score, z scores, z value, z",
        "z wert, z werte",
        "score z",
        "puntuacion z, indice z, valor z",
        "escore z, indice z, valor z",
        "z值, z评分, z分数",
        "zスコア, z値",
    ),
    "bmd_g_cm2": (
        "bmd, abmd, areal bmd, bone mineral density, bone density",
        "knochendichte, knochenmineraldichte",
        "dmo, densite minerale osseuse, densite osseuse",
        "dmo, densidad mineral osea, densidad osea",
        "dmo, densidade mineral ossea, densidade ossea",
        "骨密度, 骨矿密度, 骨密度值",
        "骨密度, 骨密度値",
    ),
    "dxa_region": (
        "region, roi, measured region, scan region, body part, skeletal site",
        "messort, messregion, lokalisation, korperregion, skelettregion",
        "zone, region mesuree, site de mesure",
        "zona, region medida, sitio",
        "regiao, local, sitio",
        "部位, 检查部位, 测量部位, 扫描部位",
        "部位, 検査部位, 測定部位",
    ),
    "study_date": (
        "study date, imaging date, image date",
        "rontgendatum, roentgendatum, bilddatum",
        "date du cliche",
        "fecha de la placa",
        "data da imagem",
        "拍片日期, 摄片日期, 摄影日期, 拍摄日期, 影像日期, 拍片时间",
        "撮影日, 撮影年月日, 撮影日付",
    ),
    "dxa_date": (
        "dxa date, dexa date",
        "dxa datum",
        "date dxa",
        "fecha dxa",
        "data dxa",
        "骨密度日期, 骨密度检查日期, 骨密度测量日期",
        "骨密度検査日, 骨密度測定日",
    ),
    "any_date": (
        "date, exam date, examination date, scan date, date of exam, date of examination, day, visit date",
        "datum, untersuchungsdatum, messdatum, scandatum, untersuchungstag, untersucht am",
        "date examen, date d examen, date de l examen, jour",
        "fecha, fecha de examen, fecha examen, fecha del examen, fecha del estudio, fecha de estudio",
        "data, data do exame, data exame, data de exame",
        "日期, 检查日期, 检查时间, 测量日期, 检测日期",
        "日付, 検査日, 検査日付, 検査年月日, 測定日, 実施日",
    ),
    "site": (
        "site, hospital, center, centre, clinic, institution",
        "standort, klinik, krankenhaus, zentrum",
        "hopital, centre, clinique, etablissement",
        "hospital, centro, clinica",
        "hospital, centro, clinica, unidade",
        "医院, 院区, 机构",
        "病院, 施設, 施設名",
    ),
    "machine": (
        "x ray system, radiography system, machine",
        "rontgengerat, roentgengeraet, gerat, geraet",
        "appareil",
        "equipo",
        "equipamento, aparelho",
        "设备, 机器, x光机",
        "装置, 撮影装置",
    ),
    "split": ("split",),
    "dxa_reference": (
        "reference population, reference database, reference data",
        "referenzpopulation, referenzkollektiv, referenzdatenbank",
        "population de reference",
        "poblacion de referencia",
        "populacao de referencia",
        "参考人群, 参考数据库",
        "参照データ, 基準データ",
    ),
    "menopause_age_years": (
        "menopause age, age at menopause, age of menopause",
        "menopausenalter, alter bei menopause, menopause alter, alter bei der menopause",
        "age de la menopause, age menopause, age a la menopause",
        "edad de menopausia, edad menopausia, edad de la menopausia",
        "idade da menopausa, idade menopausa, idade na menopausa",
        "绝经年龄",
        "閉経年齢",
    ),
    "cobb_deg": (
        "cobb, cobb angle",
        "cobb winkel",
        "angle de cobb",
        "angulo de cobb",
        "angulo de cobb",
        "cobb角",
        "コブ角, cobb角",
    ),
}
"""Words by the column that they name, a text for each of `HEADER_LANGUAGES`.

`z_score` is no column and keeps its values from being taken for T-scores; `any_id` and `any_date` are settled by the
radiographs and by the rest of the table, or the user chooses.
"""

CONTEXT_WORDS: Mapping[str, tuple[str, ...]] = {
    "lumbar": (
        "lumbar, lumbar spine, l spine, spine, ap spine, pa spine, ls",
        "lws, lendenwirbelsaule, lendenwirbel, wirbelsaule, lumbal",
        "lombaire, rachis, rachis lombaire, colonne, colonne lombaire",
        "columna, columna lumbar, raquis, raquis lumbar",
        "coluna, coluna lombar, lombar",
        "腰椎, 脊柱, 腰椎正位, 腰",
        "腰椎, 腰椎正面",
    ),
    "total": ("total, overall", "gesamt, insgesamt", "total", "total", "total", "总, 总计, 合计, 总体", "合計, 全体"),
    "other place": (
        "hip, total hip, femur, femoral, femoral neck, femur neck, neck, total femur, trochanter, wards, radius, "
        "forearm, wrist, whole body, total body, heel, left, right, lowest, minimum, min, worst, thoracic",
        "hufte, huefte, gesamthufte, schenkelhals, oberschenkelhals, femurhals, oberschenkel, unterarm, ganzkorper, "
        "ferse, links, rechts, niedrigster, schlechtester, bws",
        "hanche, hanche totale, col, col femoral, col du femur, avant bras, corps entier, gauche, droite, droit, "
        "le plus bas",
        "cadera, cadera total, cuello, cuello femoral, cuello de femur, antebrazo, cuerpo entero, cuerpo total, "
        "izquierda, derecha, izquierdo, derecho, minimo",
        "quadril, anca, colo, colo do femur, colo femoral, femur total, antebraco, corpo inteiro, corpo total, "
        "esquerdo, direito, esquerda, direita, menor",
        "髋, 髋部, 全髋, 髋关节, 股骨, 股骨颈, 股骨近端, 大转子, 前臂, 桡骨, 全身, 跟骨, 左, 右, 最低, 最低值",
        "大腿骨, 大腿骨頸部, 頸部, 大腿骨近位部, 股関節, 橈骨, 前腕, 全身, 踵骨, 左, 右, 最低",
    ),
    "DXA": (
        "dxa, dexa, densitometry, bone densitometry",
        "osteodensitometrie, knochendichtemessung, densitometrie",
        "osteodensitometrie, densitometrie",
        "densitometria, densitometria osea",
        "densitometria ossea",
        "骨密度检查, 骨密度测量, 双能x线",
        "骨密度検査, 骨密度測定",
    ),
    "radiograph": (
        "x ray, xray, x rays, radiograph, radiography, film, plain film, rx, cr, dx",
        "rontgen, roentgen, rontgenbild, rontgenaufnahme, roentgenaufnahme",
        "radio, radiographie, cliche",
        "radiografia, placa",
        "radiografia, raio x, raios x",
        "x线, x光, 平片, 拍片",
        "x線, レントゲン, 撮影",
    ),
}
"""Words that say of which part or examination a value is; values of other places than L1-L4 are never taken."""

UNUSED_WORDS = (
    "name, patient name, last name, first name, surname, given name, address, phone, email, comment, comments, remark, "
    "remarks, note, notes, index, row, serial, diagnosis, physician, doctor, ethnicity, race, report date, bmc, area, "
    "nachname, vorname, patientenname, adresse, telefon, bemerkung, bemerkungen, kommentar, lfd nr, laufende nummer, "
    "diagnose, arzt, befunddatum, entlassungsdatum, nom, prenom, nom du patient, adresse, remarque, remarques, "
    "commentaire, medecin, diagnostic, nombre, apellido, apellidos, direccion, observaciones, comentario, medico, "
    "diagnostico, nome, sobrenome, apelido, morada, observacoes, comentarios, diagnostico, 姓名, 患者姓名, 病人姓名, "
    "备注, 序号, 诊断, 医生, 地址, 电话, 民族, 氏名, 患者氏名, 名前, カナ氏名, 備考, 連番, 診断, 住所, 担当医"
)
"""Columns that are known and not used."""

FILLERS = (
    "of, the, at, on, and, for, from, value, measured, measurement, patient, patients, body, exam, examination, "
    "der, die, des, bei, zum, zur, am, vom, und, von, wert, untersuchung, patienten, messung, bei aufnahme, "
    "de, la, le, les, du, d, l, et, au, a, valeur, mesure, examen, del, el, los, y, en, valor, medida, paciente, "
    "do, da, dos, das, em, e, exame, doente, 的, 值, 患者, 病人, 受检者, 检查时, 检查, 测量, の, 値, 測定, 検査, 検査時"
)
"""Words of a header that change nothing."""

UNSURE_WORDS = {"aufnahmedatum": "study_date", "datum der aufnahme": "study_date", "骨塩量": "bmd_g_cm2"}
"""Words of two meanings, of which the user chooses: `Aufnahmedatum` is the day of an image or of admission."""
